package udp

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// FuzzBatch commits what the bytes say, three to a datagram, and looks whether the runs hold it, whole and in order.
func FuzzBatch(f *testing.F) {
	f.Add([]byte{0, 4, 176, 0, 4, 176, 0, 4, 176, 0, 0, 7, 1, 4, 176})
	f.Add([]byte{0, 5, 220, 1, 5, 220, 2, 5, 221, 3, 0, 0, 3, 0, 1})
	f.Add(bytes.Repeat([]byte{2, 0, 1}, 300))
	f.Add(bytes.Repeat([]byte{2, 5, 220}, 200))
	conn, local, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		f.Fatal(err)
	}
	w := &keeper{recorder: &recorder{plainWire: &plainWire{conn: conn}}}
	s := open(w, local, discard)
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, ops []byte) {
		w.got = map[Route][]int{}
		b, want, count := s.NewBatch(), map[Route][]int{}, 0
		for ; len(ops) >= 3; ops = ops[3:] {
			to := s.Route(netip.AddrPortFrom(alice.Addr(), uint16(ops[0]%4)+1))
			size := int(ops[1])<<8 | int(ops[2])
			p := b.Reserve(to, size)
			if (p != nil) != (size >= 1 && size <= MaxSlot) {
				t.Fatalf("reserved %d, got %d", size, len(p))
			}
			b.Commit(size)
			if p != nil {
				p[0] = byte(count)
				want[to] = append(want[to], size<<8|count&0xFF)
				count++
			}
		}
		b.Flush(1)
		for to, list := range want {
			if !slices.Equal(w.got[to], list) {
				t.Fatalf("to %v went %v, want %v", to.Addr(), w.got[to], list)
			}
		}
		if len(w.got) != len(want) {
			t.Fatalf("%d routes, want %d", len(w.got), len(want))
		}
	})
}

// keeper writes down the size and the first byte of every datagram.
type keeper struct {
	*recorder
	got map[Route][]int
}

func (w *keeper) outbox() outbox { return w }

func (w *keeper) flush(arena []byte, runs []run, _ time.Duration) (t tally) {
	for _, r := range runs {
		for i := range r.count {
			from, to := r.segment(i)
			w.got[r.to] = append(w.got[r.to], (to-from)<<8|int(arena[from]))
		}
	}
	return t
}
