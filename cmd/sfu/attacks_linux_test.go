//go:build !race

package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/selfsign"
	"github.com/pion/stun"
)

var attacks = []attack{
	{"STUN, 40,000 checks for nobody, 20 sources", 16, 5, func(s *siege, t *testing.T) func() {
		return s.flood(t, 20, 40_000, message(t, stun.BindingRequest, stun.NewUsername("nobody:peer"), stun.NewShortTermIntegrity("0123456789012345678901")))
	}},
	{"STUN, 40,000 wrong checks for a viewer, 20 sources", 16, 5, func(s *siege, t *testing.T) func() {
		ufrag, _ := s.halfJoin(t)
		return s.flood(t, 20, 40_000, message(t, stun.BindingRequest, stun.NewUsername(ufrag+":peer"), stun.NewShortTermIntegrity("0123456789012345678901")))
	}},
	{"STUN service, 40,000 plain Bindings", 16, 5, func(s *siege, t *testing.T) func() {
		return s.flood(t, 20, 40_000, message(t, stun.BindingRequest))
	}},
	{"ClientHello race, 40,000 from ports that passed no check", 16, 10, func(s *siege, t *testing.T) func() {
		return s.flood(t, 20, 40_000, clientHello(t))
	}},
	{"DTLS, 500 viewers that stop after ClientHello", 64, 0, (*siege).halfOpen},
	{"RTP and RTCP, 40,000 from ports that passed no check", 16, 5, func(s *siege, t *testing.T) func() {
		return s.flood(t, 20, 40_000, append([]byte{0x80, 0x60}, make([]byte, 1000)...))
	}},
	{"TURN, 1,000 Allocates at once", 128, 5, (*siege).allocate},
	{"TCP, 2,200 idle connections of one address", 64, 5, (*siege).idle},
	{"WebSocket, 40 sockets: 1 MiB frames, 10,000 pings each", 32, 5, (*siege).sockets},
	{"300 viewers of one address at once", 300, 0, func(s *siege, t *testing.T) func() { s.join(t, 300, 0); return nil }},
}

func message(t *testing.T, setters ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// flood sends n datagrams, in about two seconds, from so many ports.
func (s *siege) flood(t *testing.T, ports, n int, p []byte) func() {
	t.Helper()
	var conns []net.Conn
	for range ports {
		conn, err := net.Dial("udp4", s.one)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // nothing is lost
		conns = append(conns, conn)
	}
	begun := time.Now()
	for i := range n {
		if _, err := conns[i%ports].Write(p); err != nil {
			t.Fatal(err)
		}
		if ahead := time.Duration(i)*2*time.Second/time.Duration(n) - time.Since(begun); ahead > 2*time.Millisecond {
			time.Sleep(ahead)
		}
	}
	return nil
}

// halfJoin asks to watch and goes no further. It gives the server's user fragment and password.
func (s *siege) halfJoin(t *testing.T) (ufrag, password string) {
	t.Helper()
	r, err := http.Post(s.base+"/whep/hall", "application/sdp", strings.NewReader(sdpOf("recvonly", "VP8/90000", "actpass")))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s %v", r.StatusCode, answer, err)
	}
	return valueOf(string(answer), "ice-ufrag"), valueOf(string(answer), "ice-pwd")
}

// halfOpen are viewers that pass their checks, say hello and nothing more.
func (s *siege) halfOpen(t *testing.T) func() {
	hello := clientHello(t)
	var conns []net.Conn
	for range 500 {
		ufrag, password := s.halfJoin(t)
		conn, err := net.Dial("udp4", s.one)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		check := message(t, stun.BindingRequest, stun.NewUsername(ufrag+":"+valueOf(sdpOf("recvonly", "VP8/90000", "actpass"), "ice-ufrag")),
			stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
			stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{1, 2, 3, 4}}, stun.RawAttribute{Type: stun.AttrUseCandidate},
			stun.NewShortTermIntegrity(password), stun.Fingerprint)
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write(check); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1500)); err != nil || n < 20 {
			t.Fatalf("the check: %d %v", n, err)
		}
		if _, err := conn.Write(hello); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
}

// clientHello is the first flight of a library.
func clientHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close() //nolint:errcheck // nothing is lost
	certificate, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		_, _ = dtls.ClientWithContext(ctx, near, &dtls.Config{
			InsecureSkipVerify: true, ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
			SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM},
			Certificates:           []tls.Certificate{certificate},
		})
	}()
	p := make([]byte, 1500)
	n, err := far.Read(p)
	if err != nil || n < 100 || binary.BigEndian.Uint16(p[1:]) < 0xFE00 {
		t.Fatalf("no ClientHello: %d %v", n, err)
	}
	cancel()
	_ = near.Close()
	<-done
	return p[:n]
}

// allocate opens 1,000 relays at once, from four addresses: the first answers to one are limited.
func (s *siege) allocate(t *testing.T) func() {
	var wait sync.WaitGroup
	var mu sync.Mutex
	var ends []func()
	failed := 0
	for i := range 1000 {
		conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.%d:0", 11+i%4))
		if err != nil {
			t.Fatal(err)
		}
		client := s.turnClient(conn, s.one, fmt.Sprint("p_", i))
		wait.Go(func() {
			relay, err := client.Allocate()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
			}
			ends = append(ends, func() {
				if relay != nil {
					_ = relay.Close()
				}
				client.Close()
				_ = conn.Close()
			})
		})
	}
	wait.Wait()
	if open := s.count("turn_relays", ""); failed > 0 || open < 1000 {
		t.Errorf("%d failed, %d are open", failed, open)
	}
	return func() {
		for _, end := range ends {
			wait.Go(end)
		}
		wait.Wait()
	}
}

// idle opens connections that say nothing. Of one address only so many are kept; others do not notice.
func (s *siege) idle(t *testing.T) func() {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 21)}, Timeout: 5 * time.Second}
	before := s.count("tcp_drops_total", "address_full")
	var conns []net.Conn
	for range 2200 {
		conn, err := dialer.Dial("tcp4", s.one)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	s.eventually("those that are too many are closed", func() bool {
		return s.count("tcp_drops_total", "address_full")-before >= 2200-512
	})
	return func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
}

// sockets flood the signaling socket.
func (s *siege) sockets(t *testing.T) func() {
	header := http.Header{"Origin": {s.base}}
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.base, "http")+"/ws", header)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close() //nolint:errcheck // it was closed by the server
			if i%2 == 0 {
				_ = conn.WriteMessage(websocket.TextMessage, make([]byte, 1<<20)) // the server may close it before the end
			}
			for n := 0; i%2 == 1 && n < 10_000; n++ {
				if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
					break
				}
			}
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			for err == nil {
				_, _, err = conn.ReadMessage()
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("socket %d is still open", i)
			}
		})
	}
	wait.Wait()
	return nil
}

// slowClients begin requests of all kinds and send a byte now and then. The returned function checks that each was closed
// within the time that it has.
func (s *siege) slowClients(t *testing.T) (check func(*testing.T)) {
	t.Helper()
	var wait sync.WaitGroup
	var mu sync.Mutex
	lived := map[string]time.Duration{}
	for kind, text := range map[string]string{
		"HTTP header": "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1000),
		"HTTP body":   "POST /whep/hall HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 1000\r\n\r\n|" + strings.Repeat("x", 900),
		"TURN frame":  "\x00\x01\x01\x00\x21\x12\xa4\x42" + strings.Repeat("x", 250),
		"nothing":     "",
	} {
		for range 15 {
			conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 31)}}).Dial("tcp4", s.one)
			if err != nil {
				t.Fatal(err)
			}
			text := text
			wait.Go(func() {
				defer conn.Close() //nolint:errcheck // it is over
				begun := time.Now()
				if at := strings.IndexByte(text, '|'); at > 0 {
					_, _ = conn.Write([]byte(text[:at])) // at once
					text = text[at+1:]
				}
				for i := 0; time.Since(begun) < 25*time.Second; i++ {
					if i < len(text) {
						if _, err := conn.Write([]byte(text[i : i+1])); err != nil {
							break
						}
					}
					_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
					if _, err := conn.Read(make([]byte, 1000)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
						break
					}
				}
				mu.Lock()
				defer mu.Unlock()
				lived[kind] = max(lived[kind], time.Since(begun))
			})
		}
	}
	return func(t *testing.T) {
		wait.Wait()
		for kind, most := range map[string]time.Duration{
			"HTTP header": 7 * time.Second, "HTTP body": 18 * time.Second, "TURN frame": 12 * time.Second, "nothing": 12 * time.Second,
		} {
			t.Logf("slow client, %s: closed after %v", kind, lived[kind].Round(100*time.Millisecond))
			if lived[kind] > most {
				t.Errorf("slow client, %s: lived for %v, %v are allowed", kind, lived[kind], most)
			}
		}
	}
}
