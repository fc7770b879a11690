package turn

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun"

	"castcode/internal/bytecase"
)

const transaction = "2112a442 000102030405060708090a0b"

var discard = slog.New(slog.DiscardHandler)

func udpAddr(ip net.IP, port uint16) *net.UDPAddr { return &net.UDPAddr{IP: ip, Port: int(port)} }

// p1 gives the messages of the table that are for a client with a relay.
func p1() (all [][]byte) {
	for _, c := range bytecase.All() {
		if c.Ways&bytecase.Relayed != 0 {
			all = append(all, c.Bytes)
		}
	}
	return all
}

// TestP1 sends what kills the library to a server with an open relay.
func TestP1(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			f := serve(t, nil)
			c := f.client(t, network, "peer")
			if _, code := c.allocate(); code != 0 {
				t.Fatal(code)
			}
			attacks := p1()
			for _, p := range attacks {
				c.send(p)
			}
			until(t, "drops", func() bool { return f.dropped(dropMessage) == uint64(len(attacks)) })
			if _, code := c.do(stun.MethodRefresh, lifetime(600)); code != 0 {
				t.Errorf("refresh after the attack: %d", code)
			}
		})
	}
}

// TestP9 sends streams what makes the library spin, and its neighbours: each closes the connection.
func TestP9(t *testing.T) {
	attacks := []string{
		"0001ffec" + transaction, "4000fffc0000000000", "0001fffc" + transaction, "00010002" + transaction,
		"0001ffed" + transaction, "0001ffff" + transaction, "4000fff9 0000000000", "4000ffff 0000000000",
		"400005dd 0000000000", "000107f0" + transaction, "0014000100002112a442",
	}
	// What begins like nothing of TURN's does not get past the splitter in front of TLS.
	others := []string{"5000000400000000", "474554202f", "16030102000100"}
	for network, attacks := range map[string][]string{"tcp": append(others, attacks...), "tls": attacks} {
		f := serve(t, nil)
		for i, hex := range attacks {
			conn := f.stream(t, network)
			conn.Write(unhex(t, hex))
			conn.SetReadDeadline(time.Now().Add(patience))
			if n, err := conn.Read(make([]byte, 100)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s, %s: read %d bytes, %v; want the end", network, hex, n, err)
			}
			conn.Close()
			if n := f.dropped(dropFrame); n != uint64(i+1) {
				t.Errorf("%s, %s: %d counted, want %d", network, hex, n, i+1)
			}
		}
	}
}

// TestFragments: a stream may be cut anywhere.
func TestFragments(t *testing.T) {
	f := serve(t, nil)
	conn, err := net.Dial("tcp4", f.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := unhex(t, "00010000"+transaction)
	for range 3 {
		for _, b := range request {
			conn.Write([]byte{b})
		}
	}
	conn.Write(bytes.Repeat(request, 200)) // and many may come at once
	conn.SetReadDeadline(time.Now().Add(patience))
	for i := range 203 {
		header := make([]byte, 20)
		if _, err := io.ReadFull(conn, header); err != nil || header[0] != 1 || header[1] != 1 {
			t.Fatalf("answer %d: %x, %v", i, header, err)
		}
		if _, err := io.CopyN(io.Discard, conn, int64(header[3])); err != nil {
			t.Fatal(err)
		}
	}
}

// pipeStream makes a stream on one end of a pipe, inside a bubble.
func pipeStream() (*stream, net.Conn, *Server) {
	s := &Server{streams: map[*stream]struct{}{}}
	near, far := net.Pipe()
	return newStream(s, near), far, s
}

// TestStreamClock has all that a stream does by the clock.
func TestStreamClock(t *testing.T) {
	ping := func(t *testing.T) []byte { return unhex(t, "00010000"+transaction) }
	type result struct {
		after time.Duration
		why   drop
	}
	for name, tc := range map[string]struct {
		send   func(t *testing.T, far net.Conn)
		relays int32
		want   result
	}{
		"nothing": {func(*testing.T, net.Conn) {}, 0, result{firstFrame, dropSlow}},
		"a byte a second": {func(t *testing.T, far net.Conn) {
			for _, b := range ping(t) {
				time.Sleep(time.Second)
				far.Write([]byte{b})
			}
		}, 0, result{firstFrame, dropSlow}},
		"one frame": {func(t *testing.T, far net.Conn) {
			time.Sleep(9 * time.Second)
			far.Write(ping(t))
		}, 0, result{9*time.Second + idleLife, dropIdle}},
		"a frame and a half": {func(t *testing.T, far net.Conn) {
			far.Write(ping(t))
			time.Sleep(30 * time.Second)
			far.Write(ping(t)[:10])
		}, 0, result{30*time.Second + wholeFrame, dropSlow}},
		"half a frame, with a relay": {func(t *testing.T, far net.Conn) {
			far.Write(ping(t))
			far.Write(ping(t)[:10])
		}, 1, result{wholeFrame, dropSlow}},
		"a relay that is idle for an hour": {func(t *testing.T, far net.Conn) {
			far.Write(ping(t))
			time.Sleep(time.Hour)
			far.Close()
		}, 1, result{time.Hour, drops}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far, s := pipeStream()
				near.relays.Store(tc.relays)
				start := time.Now()
				var sender sync.WaitGroup
				sender.Go(func() { tc.send(t, far) })
				var err error
				for err == nil {
					_, _, err = near.ReadFrom(make([]byte, 2048))
				}
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("error %v", err)
				}
				if got := time.Since(start); got != tc.want.after {
					t.Errorf("closed after %v, want %v", got, tc.want.after)
				}
				for reason := range drop(drops) {
					if n := s.counters.drops[reason].Load(); n != 0 && reason != tc.want.why || n != 1 && reason == tc.want.why {
						t.Errorf("%s: %d", dropNames[reason], n)
					}
				}
				far.Close()
				sender.Wait()
			})
		})
	}
}

// TestStuckStream: a client that does not read neither blocks those who write nor keeps its stream.
func TestStuckStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far, s := pipeStream()
		defer far.Close()
		go near.write()
		data := make([]byte, 1000)
		data[0] = 0x40
		for range streamQueue + 100 {
			if n, err := near.WriteTo(data, nil); n != len(data) || err != nil {
				t.Fatal(n, err)
			}
		}
		synctest.Wait()
		if n := s.counters.drops[dropStreamQueue].Load(); n < 50 {
			t.Errorf("%d frames dropped, want about 100", n)
		}
		start := time.Now()
		<-near.done
		if got := time.Since(start); got != writeLife {
			t.Errorf("closed after %v, want %v", got, writeLife)
		}
		if n := s.counters.drops[dropStuck].Load(); n != 1 {
			t.Errorf("%d stuck, want 1", n)
		}
		if _, err := near.WriteTo(data, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after the end: %v", err)
		}
	})
}

// TestLateMedia: media that waited is left out, answers are not.
func TestLateMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far, s := pipeStream()
		channel, data := []byte{0x40, 0, 0, 0}, unhex(t, "00170000"+transaction)
		answer := unhex(t, "01030000"+transaction)
		for _, p := range [][]byte{channel, data, answer} {
			near.WriteTo(p, nil)
		}
		time.Sleep(mediaLife + time.Millisecond)
		near.WriteTo(channel, nil)
		go near.write()
		got := make([]byte, 24)
		if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, append(answer, channel...)) {
			t.Errorf("got %x, %v", got, err)
		}
		if n := s.counters.drops[dropLate].Load(); n != 2 {
			t.Errorf("%d late, want 2", n)
		}
		near.Close()
		far.Close()
	})
}

func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		"0001ffec" + transaction, "4000fffc0000000000", "00010000" + transaction, "4000000400000000",
		"00010000" + transaction + "4000000100000000" + "00010004",
	} {
		f.Add(unhex(f, seed), byte(3))
	}
	for _, c := range bytecase.All() {
		f.Add(c.Bytes, byte(7))
	}
	f.Fuzz(func(t *testing.T, p []byte, cut byte) {
		near, far, s := pipeStream()
		go func() {
			defer far.Close()
			for step := int(cut)%64 + 1; len(p) > 0; {
				n := min(step, len(p))
				if _, err := far.Write(p[:n]); err != nil {
					return
				}
				p = p[n:]
			}
		}()
		d := &door{PacketConn: near, server: s}
		buf := make([]byte, 2049)
		for {
			n, _, err := d.ReadFrom(buf)
			if err != nil {
				return
			}
			if n == 0 || n > 2048 {
				t.Fatalf("a frame of %d bytes", n)
			}
		}
	})
}
