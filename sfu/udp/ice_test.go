package udp

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/pion/ice/v2"
)

// TestICE lets two agents of the library meet through the socket: a lite one behind the mux, as for casters, and
// a full one. It shows that the books about remotes open at the right moment.
func TestICE(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: s.Media()})
	defer mux.Close()
	server, err := ice.NewAgent(&ice.AgentConfig{
		NetworkTypes: []ice.NetworkType{ice.NetworkTypeUDP4}, CandidateTypes: []ice.CandidateType{ice.CandidateTypeHost},
		UDPMux: mux, Lite: true, IncludeLoopback: true, MulticastDNSMode: ice.MulticastDNSModeDisabled,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := ice.NewAgent(&ice.AgentConfig{
		NetworkTypes: []ice.NetworkType{ice.NetworkTypeUDP4}, IncludeLoopback: true,
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	gathered := func(a *ice.Agent) []ice.Candidate {
		done := make(chan struct{})
		if err := a.OnCandidate(func(c ice.Candidate) {
			if c == nil {
				close(done)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if err := a.GatherCandidates(); err != nil {
			t.Fatal(err)
		}
		<-done
		candidates, err := a.GetLocalCandidates()
		if err != nil || len(candidates) == 0 {
			t.Fatal(candidates, err)
		}
		return candidates
	}
	for _, c := range gathered(server) {
		if err := client.AddRemoteCandidate(c); err != nil {
			t.Fatal(err)
		}
	}
	gathered(client)

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	serverUser, serverPassword, _ := server.GetLocalUserCredentials()
	s.Expect(serverUser, serverPassword, nil)
	clientUser, clientPassword, _ := client.GetLocalUserCredentials()
	accepted := make(chan *ice.Conn, 1)
	go func() {
		conn, err := server.Accept(ctx, clientUser, clientPassword)
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	near, err := client.Dial(ctx, serverUser, serverPassword)
	if err != nil {
		t.Fatal(err)
	}
	far := <-accepted
	if far == nil {
		t.FailNow()
	}

	if _, err := near.Write(unhex(t, clientHello)); err != nil {
		t.Fatal(err)
	}
	far.SetReadDeadline(time.Now().Add(patience))
	p := make([]byte, 1500)
	if n, err := far.Read(p); err != nil || !bytes.Equal(p[:n], unhex(t, clientHello)) {
		t.Fatalf("got %x, %v", p[:n], err)
	}
	if n := s.Counts(); n.Checks == 0 || n.DTLS != 1 {
		t.Errorf("counts %+v", n)
	}
}
