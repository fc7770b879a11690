package udp

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkFlush sends frames of nine datagrams of 1,200 bytes to 200 peers of the loopback that drop them. It
// reports the CPU time of one datagram: "ns/op" hides what the runtime's poller does on another thread.
//
//   - set: the socket as it is, in an epoll set of its own
//   - source: bound to all addresses, and all that is sent says which of them it comes from
//   - poller: the same socket under the runtime's poller too, as the standard library has it
func BenchmarkFlush(b *testing.B) {
	for name, how := range map[string]struct {
		polled, gso bool
		bind        string
	}{
		"set/gso": {false, true, "127.0.0.1:0"}, "set/single": {false, false, "127.0.0.1:0"},
		"source/gso": {false, true, "0.0.0.0:0"}, "source/single": {false, false, "0.0.0.0:0"},
		"poller/gso": {true, true, "127.0.0.1:0"}, "poller/single": {true, false, "127.0.0.1:0"},
	} {
		b.Run(name, func(b *testing.B) {
			conn, local, err := listenUDP(netip.MustParseAddrPort(how.bind))
			if err != nil {
				b.Fatal(err)
			}
			if err := setBuffers(conn); err != nil {
				b.Fatal(err)
			}
			var w *linuxWire
			if how.polled {
				if w, err = newLinuxWire(conn); err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
			} else {
				w, _ = newWire(conn, discard).(*linuxWire)
			}
			s := open(w, local, discard)
			defer s.Close()
			if !how.gso {
				s.DisableGSO()
			}
			peers := deafPeers(b, s, 200)
			for i := range peers {
				if w.everywhere {
					peers[i].local = w.own.of(netip.MustParseAddr("127.0.0.1"))
				}
			}
			flushFrames(b, s, peers)
		})
	}
}

// deafPeers are sockets that drop all by a filter.
func deafPeers(b *testing.B, s *Socket, n int) (routes []Route) {
	for range n {
		peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { peer.Close() })
		raw, err := peer.SyscallConn()
		if err != nil {
			b.Fatal(err)
		}
		drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
		if err := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
		}); err != nil {
			b.Fatal(err)
		}
		to, _ := peer.LocalAddr().(*net.UDPAddr)
		routes = append(routes, s.Route(to.AddrPort()))
	}
	return routes
}

func flushFrames(b *testing.B, s *Socket, routes []Route) {
	const frame, size = 9, 1200
	batch, payload := s.NewBatch(), make([]byte, size)
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		for _, to := range routes {
			for range frame {
				copy(batch.Reserve(to, size), payload)
				batch.Commit(size)
			}
		}
		batch.Flush(1)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N*frame*len(routes)), "cpu-ns/datagram")
}

func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
