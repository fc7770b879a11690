package udp

import (
	"net/netip"
	"strconv"
	"sync"
	"testing"
)

func numbered(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1000+i%7))
}

func TestTable(t *testing.T) {
	table := NewTable[int]()
	const n = 20_000 // several entries to a chain
	for i := range n {
		table.ClaimAddr(numbered(i), i)
		table.ClaimUser(strconv.Itoa(i), -i)
	}
	for i := range n {
		if got, ok := table.ByAddr(numbered(i)); !ok || got != i {
			t.Fatalf("address %d is %d's, %v", i, got, ok)
		}
		if got, ok := table.ByUser(strconv.AppendInt(nil, int64(i), 10)); !ok || got != -i {
			t.Fatalf("user %d is %d's, %v", i, got, ok)
		}
	}
	table.ClaimAddr(numbered(5), 77)
	table.ClaimUser("5", 78)
	if got, _ := table.ByAddr(numbered(5)); got != 77 {
		t.Errorf("a new claim of an address left it %d's", got)
	}
	if got, _ := table.ByUser([]byte("5")); got != 78 {
		t.Errorf("a new claim of a user left it %d's", got)
	}
	if addrs, users := table.Len(); addrs != n || users != n {
		t.Errorf("%d addresses, %d users", addrs, users)
	}
	for i := range n {
		if i%2 == 0 {
			table.ForgetAddr(numbered(i))
			table.ForgetUser(strconv.Itoa(i))
		}
	}
	table.ForgetAddr(numbered(0))
	table.ForgetUser("0")
	for i := range n {
		_, addr := table.ByAddr(numbered(i))
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
	table.ClaimAddr(numbered(1), s)
	table.ClaimUser("user", s)
	if n := testing.AllocsPerRun(1000, func() {
		table.ByAddr(numbered(1))
		table.ByAddr(stranger)
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
		table.ClaimAddr(numbered(i), i)
	}
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 2000 {
				table.ClaimAddr(numbered(stable+w*2000+i), i)
				table.ForgetAddr(numbered(stable + w*2000 + i))
			}
		})
	}
	go func() { writers.Wait(); close(done) }()
	for i := 0; ; i = (i + 1) % stable {
		if got, ok := table.ByAddr(numbered(i)); !ok || got != i {
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
