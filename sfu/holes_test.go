package sfu

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/selfsign"
	"github.com/pion/ice/v2"
	"github.com/pion/logging"
	"github.com/pion/srtp/v2"
	"github.com/pion/stun"
)

// These tests give the libraries, without the guard, what the guard keeps from them. When one fails, the library has
// changed, and it is time to ask whether the guard is still needed.

// grown is by how much the heap grows while f runs and keeps what it returns.
func grown(f func() any) int64 {
	before := int64(heap())
	keep := f()
	after := int64(heap())
	runtime.KeepAlive(keep)
	return after - before
}

// fed is one end of a net.Pipe that a library reads, and a way to give it datagrams that waits until they were read.
func fed(t *testing.T) (library, far net.Conn) {
	library, far = net.Pipe()
	t.Cleanup(func() { _ = far.Close(); _ = library.Close() })
	return library, far
}

// TestSRTPWithoutTheGuard is P2: the library keeps a stream for every SSRC that a packet names, before it looks at the
// tag.
func TestSRTPWithoutTheGuard(t *testing.T) {
	const packets = 20_000
	config := func() *srtp.Config {
		key, salt := make([]byte, 16), make([]byte, 14)
		return &srtp.Config{
			Keys:    srtp.SessionKeys{LocalMasterKey: key, LocalMasterSalt: salt, RemoteMasterKey: key, RemoteMasterSalt: salt},
			Profile: srtp.ProtectionProfileAes128CmHmacSha1_80,
		}
	}
	for name, open := range map[string]func(net.Conn) (any, error){
		"SRTP": func(conn net.Conn) (any, error) {
			s, err := srtp.NewSessionSRTP(conn, config())
			go func() {
				for {
					if _, _, err := s.AcceptStream(); err != nil {
						return
					}
				}
			}()
			return s, err
		},
		"SRTCP": func(conn net.Conn) (any, error) {
			s, err := srtp.NewSessionSRTCP(conn, config())
			go func() {
				for {
					if _, _, err := s.AcceptStream(); err != nil {
						return
					}
				}
			}()
			return s, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			library, far := fed(t)
			n := grown(func() any {
				session, err := open(library)
				if err != nil {
					t.Fatal(err)
				}
				p, at := append([]byte{0x80, 0x60}, make([]byte, 50)...), 8
				if name == "SRTCP" {
					p, at = append([]byte{0x80, 0xC8, 0, 1}, make([]byte, 48)...), 4
					p[len(p)-14] = 0x80 // the E flag
				}
				for range packets {
					binary.BigEndian.PutUint32(p[at:], rand.Uint32())
					if _, err := far.Write(p); err != nil {
						t.Fatal(err)
					}
				}
				return session
			})
			t.Logf("%d bytes for each of %d packets", n/packets, packets)
			if n < 100*packets {
				t.Errorf("the heap grew by %d bytes only: is the guard still needed?", n)
			}
		})
	}
}

// TestDTLSWithoutTheGuard is P7: the library keeps up to 2 MB of handshake fragments of somebody whom it does not know.
func TestDTLSWithoutTheGuard(t *testing.T) {
	library, far := fed(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	certificate, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	n := grown(func() any {
		go func() {
			defer close(done)
			_, _ = dtls.ServerWithContext(ctx, library, &dtls.Config{Certificates: []tls.Certificate{certificate}})
		}()
		for message := range uint16(1500) {
			if _, err := far.Write(helloPiece(message)); err != nil {
				t.Fatal(err)
			}
		}
		return nil
	})
	t.Logf("%d kB for one that never finishes its ClientHello", n>>10)
	if n < 1<<20 {
		t.Error("the library holds less than a megabyte: is the guard still needed?")
	}
	cancel()
	_ = far.Close()
	<-done
}

// TestICEWithoutTheGuard is P10: the mux queues whatever names a user fragment that it knows, without bound, and lists
// every address that it answers.
func TestICEWithoutTheGuard(t *testing.T) {
	conn := &flood{packets: make(chan []byte), closed: make(chan struct{})}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: logging.NewDefaultLoggerFactory().NewLogger("mux")})
	defer mux.Close()
	of, err := mux.GetConn("user", conn.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	check, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("user:peer"),
		stun.NewSoftware(strings.Repeat("x", 700))) // not even signed
	if err != nil {
		t.Fatal(err)
	}
	const packets = 5_000
	n := grown(func() any {
		for range packets {
			conn.packets <- check.Raw
		}
		return of
	})
	t.Logf("%d bytes for each of %d checks", n/packets, packets)
	if n < 500*packets {
		t.Errorf("the queue grew by %d bytes only: is the guard still needed?", n)
	}
	n = grown(func() any {
		for i := range packets {
			if _, err := of.WriteTo(check.Raw, address(i)); err != nil {
				t.Fatal(err)
			}
		}
		return of
	})
	t.Logf("%d bytes for each of %d addresses", n/packets, packets)
	if n < 20*packets {
		t.Errorf("the addresses took %d bytes only: is the guard still needed?", n)
	}
}

// flood is a socket that gives what it is told to, from another address each time.
type flood struct {
	packets chan []byte
	closed  chan struct{}
	n       int
}

func address(n int) *net.UDPAddr {
	return &net.UDPAddr{IP: net.IPv4(10, byte(n>>16), byte(n>>8), byte(n)), Port: 1000}
}

func (f *flood) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case q := <-f.packets:
		f.n++
		return copy(p, q), address(f.n), nil
	case <-f.closed:
		return 0, nil, net.ErrClosed
	}
}

func (f *flood) WriteTo(p []byte, _ net.Addr) (int, error) { return len(p), nil }
func (f *flood) Close() error                              { close(f.closed); return nil }
func (*flood) LocalAddr() net.Addr                         { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (*flood) SetDeadline(time.Time) error                 { return nil }
func (*flood) SetReadDeadline(time.Time) error             { return nil }
func (*flood) SetWriteDeadline(time.Time) error            { return nil }
