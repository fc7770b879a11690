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
//   - poller: the same socket under the runtime's poller too, as the standard library has it
func BenchmarkFlush(b *testing.B) {
	for name, how := range map[string]struct{ polled, gso bool }{
		"set/gso": {false, true}, "set/single": {false, false}, "poller/gso": {true, true}, "poller/single": {true, false},
	} {
		b.Run(name, func(b *testing.B) {
			conn, local, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
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
			flushFrames(b, s, deafPeers(b, s, 200))
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
