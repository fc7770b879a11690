package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun"
)

// stunServer answers by the script, request by request; nil answers nothing. The last entry is repeated.
func stunServer(t *testing.T, script ...func(request *stun.Message, from *net.UDPAddr) []stun.Setter) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		p := make([]byte, 1500)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFromUDP(p)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: p[:size]}
			if err := m.Decode(); err != nil || m.Type != stun.BindingRequest || size != 20 {
				t.Errorf("not a plain Binding request: %x, %v", p[:size], err)
				return
			}
			step := script[min(n, len(script)-1)]
			if step == nil {
				continue
			}
			conn.WriteToUDP(stun.MustBuild(step(m, from)...).Raw, from)
		}
	}()
	return addrPort(t, conn.LocalAddr())
}

func answerWith(ip string, port int) func(*stun.Message, *net.UDPAddr) []stun.Setter {
	return func(m *stun.Message, _ *net.UDPAddr) []stun.Setter {
		return []stun.Setter{m, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.ParseIP(ip), Port: port}}
	}
}

func TestBinding(t *testing.T) {
	s := listen(t, "[::]:0")
	itself := func(m *stun.Message, from *net.UDPAddr) []stun.Setter {
		return []stun.Setter{m, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.IP, Port: from.Port}}
	}
	other := func(_ *stun.Message, _ *net.UDPAddr) []stun.Setter {
		return []stun.Setter{stun.TransactionID, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(6, 6, 6, 6), Port: 6}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for name, tc := range map[string]struct {
		server netip.AddrPort
		want   string
	}{
		"a NAT":                     {stunServer(t, answerWith("203.0.113.7", 4711)), "203.0.113.7:4711"},
		"IPv6":                      {stunServer(t, answerWith("2001:db8::7", 4711)), "[2001:db8::7]:4711"},
		"the first request is lost": {stunServer(t, nil, answerWith("203.0.113.8", 1)), "203.0.113.8:1"},
		"another transaction":       {stunServer(t, other, answerWith("203.0.113.9", 2)), "203.0.113.9:2"},
	} {
		if got, err := s.Binding(ctx, tc.server); err != nil || got.String() != tc.want {
			t.Errorf("%s: %v, %v; want %s", name, got, err, tc.want)
		}
	}
	if got, err := s.Binding(ctx, stunServer(t, itself)); err != nil || int(got.Port()) != s.LocalAddr().Port {
		t.Errorf("asked from %v, %v: the request does not leave from the media socket", got, err)
	}
	if got, err := s.Binding(ctx, stunServer(t, answerWith("0.0.0.0", 5))); !errors.Is(err, errMapped) {
		t.Errorf("no address at all: %v, %v", got, err)
	}
	if n := s.Counts(); n.Dropped["stun_unsigned"] != 1 {
		t.Errorf("%d answers to nothing were dropped, want 1", n.Dropped["stun_unsigned"])
	}
}

// TestBindingBelievesOnlyTheServer: the right transaction from elsewhere is no answer.
func TestBindingBelievesOnlyTheServer(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	stranger := dial(t, s, "127.0.0.1")
	deaf := stunServer(t, func(m *stun.Message, _ *net.UDPAddr) []stun.Setter {
		stranger.Write(stun.MustBuild(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(6, 6, 6, 6), Port: 6}).Raw)
		return []stun.Setter{m, stun.BindingError}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if got, err := s.Binding(ctx, deaf); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("believed a stranger: %v, %v", got, err)
	}
	if n := s.Counts(); n.Dropped["stun_unsigned"] != 1 {
		t.Errorf("counts %+v", n)
	}
	if len(s.questions.open) != 0 {
		t.Error("a question stays in the book")
	}
}

func TestBindingIsBoundedAndEndsWithTheSocket(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	deaf := stunServer(t, nil)
	failed := make(chan error, maxQuestions)
	for range maxQuestions {
		go func() {
			_, err := s.Binding(context.Background(), deaf)
			failed <- err
		}()
	}
	until(t, "all questions", func() bool {
		s.questions.mu.Lock()
		defer s.questions.mu.Unlock()
		return len(s.questions.open) == maxQuestions
	})
	if _, err := s.Binding(context.Background(), deaf); !errors.Is(err, errQuestions) {
		t.Errorf("one too many: %v", err)
	}
	s.Close()
	for range maxQuestions {
		if err := <-failed; err == nil {
			t.Error("an answer from nowhere")
		}
	}
}
