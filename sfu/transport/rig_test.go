package transport

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
	"go.uber.org/goleak"

	"castcode/sfu/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lookup asks for a datagram as the media socket does.
func lookup(server *Server, p []byte, from Route) *Session {
	if len(p) == 0 {
		return nil
	}
	if p[0] > 3 {
		return server.Lookup(nil, from)
	}
	c, ok := parseCheck(p)
	if !ok {
		return nil
	}
	return server.Lookup(c.local, from)
}

// routes and users count what the table holds.
func routes(server *Server) int { n, _ := server.table.Len(); return n }
func users(server *Server) int  { _, n := server.table.Len(); return n }

// rig is a server with a real socket. Its one lock is the shard: whoever holds it may call sessions.
type rig struct {
	t      *testing.T
	server *Server
	conn   *net.UDPConn
	start  time.Time
	done   chan struct{}

	mu       sync.Mutex
	shift    int64 // added to the clock
	mutedOut func(p []byte) bool
	mutedIn  func(p []byte) bool
	events   map[*Session][]Event
	scratch  []byte
	to       Route
}

func newRig(t *testing.T, change func(*Config)) *rig {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, conn: conn, start: time.Now(), done: make(chan struct{}), events: map[*Session][]Event{},
		scratch: make([]byte, 2048),
	}
	config := Config{
		Candidates: func() []Candidate { return []Candidate{{Addr: netip.MustParseAddrPort(conn.LocalAddr().String())}} },
		Send:       r, Clock: NewClock(r.start, 0),
	}
	if change != nil {
		change(&config)
	}
	if r.server, err = NewServer(config); err != nil {
		t.Fatal(err)
	}
	go r.read()
	t.Cleanup(func() {
		r.mu.Lock()
		for s := range r.events {
			s.Close()
		}
		r.mu.Unlock()
		r.server.Close()
		conn.Close()
		<-r.done
	})
	return r
}

func (r *rig) now() int64 { return int64(time.Since(r.start)) + r.shift }

func (r *rig) read() {
	defer close(r.done)
	p := make([]byte, 2048)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(p)
		if err != nil {
			return
		}
		route := udp.RouteTo(from)
		r.mu.Lock()
		if r.mutedIn == nil || !r.mutedIn(p[:n]) {
			if s := lookup(r.server, p[:n], route); s != nil {
				events := s.HandleDatagram(nil, p[:n], route, r.now(), r)
				for i := range events { // the feedback is good during the call only
					events[i].Feedback.chunks, events[i].Feedback.deltas = nil, nil
				}
				r.events[s] = append(r.events[s], events...)
			}
		}
		r.mu.Unlock()
	}
}

// Reserve and Commit: a batch of one.
func (r *rig) Reserve(to Route, n int) []byte { r.to = to; return r.scratch[:n] }

func (r *rig) Commit(used int) {
	if used > 0 {
		r.write(r.scratch[:used], r.to)
	}
}

// Send is called by handshakes, so not under the lock.
func (r *rig) Send(p []byte, to Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(p, to)
}

func (r *rig) write(p []byte, to Route) {
	if r.mutedOut != nil && r.mutedOut(p) {
		return
	}
	r.conn.WriteToUDPAddrPort(p, to.Addr())
}

// do runs f as the shard.
func (r *rig) do(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *rig) tick(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[s] = append(r.events[s], s.Tick(nil, r.now())...)
}

// wait waits for an event of that kind and takes it and those before it away.
func (r *rig) wait(s *Session, kind EventKind) Event {
	r.t.Helper()
	var found Event
	r.until(kind, func() bool {
		for i, e := range r.events[s] {
			if e.Kind == kind {
				found, r.events[s] = e, r.events[s][i+1:]
				return true
			}
		}
		return false
	})
	return found
}

// until polls a condition under the lock.
func (r *rig) until(what any, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		r.mu.Lock()
		ok := f()
		r.mu.Unlock()
		if ok {
			return
		}
	}
	if c, ok := what.(*client); ok {
		what = "the client's DTLS is " + c.GetReceivers()[0].Transport().State().String() + ", ICE " + c.ICEConnectionState().String()
	}
	for d := range Drop(Drops) {
		if n := r.server.Count(d); n > 0 {
			r.t.Logf("dropped for %s: %d", d, n)
		}
	}
	for s := range r.events {
		r.t.Logf("state %d, last flight of %d datagrams sent %d times", s.state, len(s.flight), s.flightSent)
	}
	r.t.Fatalf("never came: %v", what)
}

// open makes a session and its answer.
func (r *rig) open(offer string, names map[string]string) (*Session, string) {
	r.t.Helper()
	o, err := ParseOffer(offer)
	if err != nil {
		r.t.Fatalf("%v\n%s", err, offer)
	}
	s, answer, err := r.server.Open(context.Background(), o, names, r.now(), nil, r.tick)
	if err != nil {
		r.t.Fatal(err)
	}
	r.do(func() { r.events[s] = nil })
	return s, answer
}

// client is a pion PeerConnection that receives video and audio.
type client struct {
	*webrtc.PeerConnection
	tracks chan *webrtc.TrackRemote
}

// newClient makes a client. It sends no feedback but what a test writes; bare has no RTX either.
func newClient(t *testing.T, bare bool, profiles ...dtls.SRTPProtectionProfile) *client {
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	if len(profiles) > 0 {
		settings.SetSRTPProtectionProfiles(profiles...)
	}
	m := &webrtc.MediaEngine{}
	if bare {
		if err := m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 120, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeVP8, ClockRate: 90000,
		}}, webrtc.RTPCodecTypeVideo); err != nil {
			t.Fatal(err)
		}
	} else if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	for kind, uris := range map[webrtc.RTPCodecType][]string{
		webrtc.RTPCodecTypeVideo: {uriMid, uriSendTime, uriTransportSeq, uriPlayoutDelay, uriCaptureTime, uriDependency},
		webrtc.RTPCodecTypeAudio: {uriMid, uriSendTime, uriAudioLevel},
	} {
		for _, uri := range uris {
			if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind); err != nil {
				t.Fatal(err)
			}
		}
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{pc, make(chan *webrtc.TrackRemote, 4)}
	t.Cleanup(func() { pc.Close() })
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { c.tracks <- track })
	kinds := []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio}
	if bare {
		kinds = kinds[:1]
	}
	for _, kind := range kinds {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// offer makes the offer, complete with candidates.
func (c *client) offer(t *testing.T, options *webrtc.OfferOptions) string {
	t.Helper()
	offer, err := c.CreateOffer(options)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(c.PeerConnection)
	if err := c.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return c.LocalDescription().SDP
}

func (c *client) answer(t *testing.T, sdp string) {
	t.Helper()
	if err := c.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
		t.Fatalf("%v\n%s", err, sdp)
	}
}

func (c *client) feedback(t *testing.T, packets ...rtcp.Packet) {
	t.Helper()
	if err := c.WriteRTCP(packets); err != nil {
		t.Fatal(err)
	}
}

// warm is the timestamp of packets that only make the client's track appear.
const warm = 1

// flowing sends until the client has a track: what comes while it is being set up is lost in pion.
func (r *rig) flowing(c *client, s *Session, track *Track) *webrtc.TrackRemote {
	r.t.Helper()
	for seq := uint16(60000); seq < 61000; seq++ {
		r.send(s, track, RTPHeader{Seq: seq, Timestamp: warm}, Extensions{}, Payload{Body: vp8(10)})
		select {
		case remote := <-c.tracks:
			return remote
		case <-time.After(15 * time.Millisecond):
		}
	}
	r.t.Fatal("no track comes up")
	return nil
}

// names of the m-lines of newClient.
var names = map[string]string{"0": "screen", "1": "audio"}

// join brings a client up.
func (r *rig) join(c *client, names map[string]string) *Session {
	r.t.Helper()
	s, answer := r.open(c.offer(r.t, nil), names)
	c.answer(r.t, answer)
	r.wait(s, EventConnected)
	// The connection state would not do: pion sets it from two goroutines and may leave an old one standing.
	r.until(c, func() bool { return c.GetReceivers()[0].Transport().State() == webrtc.DTLSTransportStateConnected })
	return s
}
