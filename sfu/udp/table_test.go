package udp

import (
	"net/netip"
	"strconv"
	"sync"
	"testing"
)

func numbered(i int) Route {
	return RouteTo(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1000+i%7)))
}

func TestTable(t *testing.T) {
	table := NewTable[int]()
	const n = 20_000 // several entries to a chain
	for i := range n {
		table.ClaimRoute(numbered(i), i)
		if !table.ClaimUser(strconv.Itoa(i), -i) {
			t.Fatalf("user %d is somebody's", i)
		}
	}
	for i := range n {
		if got, ok := table.ByRoute(numbered(i)); !ok || got != i {
			t.Fatalf("address %d is %d's, %v", i, got, ok)
		}
		if got, ok := table.ByUser(strconv.AppendInt(nil, int64(i), 10)); !ok || got != -i {
			t.Fatalf("user %d is %d's, %v", i, got, ok)
		}
	}
	table.ClaimRoute(numbered(5), 77)
	if table.ClaimUser("5", 78) {
		t.Error("a user fragment was claimed twice")
	}
	table.ForgetRoute(numbered(5), 5)
	table.ForgetUser("5", 78)
	if got, _ := table.ByRoute(numbered(5)); got != 77 {
		t.Errorf("a new claim of a route left it %d's", got)
	}
	if got, _ := table.ByUser([]byte("5")); got != -5 {
		t.Errorf("user 5 is %d's", got)
	}
	if addrs, users := table.Len(); addrs != n || users != n {
		t.Errorf("%d addresses, %d users", addrs, users)
	}
	for i := range n {
		if i%2 == 0 {
			table.ForgetRoute(numbered(i), i)
			table.ForgetUser(strconv.Itoa(i), -i)
		}
	}
	table.ForgetRoute(numbered(0), 0)
	table.ForgetUser("0", 0)
	for i := range n {
		_, addr := table.ByRoute(numbered(i))
		_, user := table.ByUser(strconv.AppendInt(nil, int64(i), 10))
		if known := i%2 == 1; addr != known || user != known {
			t.Fatalf("after half was forgotten, %d: address %v, user %v", i, addr, user)
		}
	}
	if addrs, users := table.Len(); addrs != n/2 || users != n/2 {
		t.Errorf("%d addresses, %d users", addrs, users)
	}
}

func TestTableAllocatesNothing(t *testing.T) {
	table := NewTable[*Socket]()
	s, user, stranger := new(Socket), []byte("user"), numbered(2)
	table.ClaimRoute(numbered(1), s)
	table.ClaimUser("user", s)
	if n := testing.AllocsPerRun(1000, func() {
		table.ByRoute(numbered(1))
		table.ByRoute(stranger)
		table.ByUser(user)
		table.ByUser(nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTableIsReadWhileItChanges is for the race detector, and shows that a change disturbs no neighbour.
func TestTableIsReadWhileItChanges(t *testing.T) {
	table := NewTable[int]()
	const stable = chains * 2
	for i := range stable {
		table.ClaimRoute(numbered(i), i)
	}
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 2000 {
				table.ClaimRoute(numbered(stable+w*2000+i), i)
				table.ForgetRoute(numbered(stable+w*2000+i), i)
			}
		})
	}
	go func() { writers.Wait(); close(done) }()
	for i := 0; ; i = (i + 1) % stable {
		if got, ok := table.ByRoute(numbered(i)); !ok || got != i {
			t.Errorf("address %d is %d's, %v", i, got, ok)
			break
		}
		select {
		case <-done:
			return
		default:
		}
	}
	<-done
}
