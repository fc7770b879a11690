package transport

import (
	"net/netip"
	"testing"

	"castcode/sfu/udp"
)

// BenchmarkLookup finds the session of a media datagram and of a check, among 1,000 viewers.
func BenchmarkLookup(b *testing.B) {
	server := newTestServer(b, nil)
	s := newTestSession(b, server)
	from := make([]Route, 1000)
	for i := range from {
		from[i] = udp.RouteTo(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5000))
		server.table.ClaimRoute(from[i], s)
	}
	for _, c := range []struct {
		name string
		user []byte
	}{{"media", nil}, {"check", []byte(s.ice.current.local.Ufrag)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if server.Lookup(c.user, from[i%len(from)]) != s {
					b.Fatal("nobody's")
				}
			}
		})
		b.Run(c.name+"/two", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if server.Lookup(c.user, from[i%len(from)]) != s {
						b.Error("nobody's")
					}
				}
			})
		})
	}
}
