package portmux

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestNegotiated: what ALPN said counts more than the first byte.
func TestNegotiated(t *testing.T) {
	outer := split(t)
	cert, pool := certificate(t)
	inner := New(tls.NewListener(outer.TLS(), &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1", "stun.turn", "acme-tls/1"},
	}), nil)
	defer inner.Close()
	open := func(protocol, sent string) *tls.Conn {
		t.Helper()
		conn, err := tls.Dial("tcp", outer.HTTP().Addr().String(), &tls.Config{
			RootCAs: pool, ServerName: "localhost", NextProtos: []string{protocol},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if got := conn.ConnectionState().NegotiatedProtocol; got != protocol {
			t.Fatalf("negotiated %q, want %q", got, protocol)
		}
		if _, err := conn.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for _, c := range []struct {
		protocol, sent string
		at             net.Listener
	}{
		{"stun.turn", "\x00\x03\x00\x00", inner.TURN()},
		{"http/1.1", "\x00\x03\x00\x00", inner.HTTP()}, // the HTTP server refuses it
	} {
		open(c.protocol, c.sent)
		conn, err := c.at.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(c.sent))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != c.sent {
			t.Errorf("%s: got %q, %v", c.protocol, got, err)
		}
		conn.Close()
	}
	open("stun.turn", "GET / HTTP/1.1\r\n")
	until(t, "HTTP under the name of TURN to be refused", func() bool { return inner.Counts().Dropped["unknown"] == 1 })

	challenge := open("acme-tls/1", "")
	challenge.SetReadDeadline(time.Now().Add(patience))
	var timeout net.Error
	if n, err := challenge.Read(make([]byte, 1)); n != 0 || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("a challenge got %d bytes, %v; want the end", n, err)
	}
	if n := inner.Counts(); n.Challenges != 1 || n.Dropped["silent"] != 0 {
		t.Errorf("counts %+v", n)
	}
}
