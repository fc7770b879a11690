package portmux

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// patience bounds every wait for something that must come.
const patience = 5 * time.Second

func split(t *testing.T) *Mux {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := New(l, nil)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if n := m.Counts().Undecided; n != 0 {
			t.Errorf("%d undecided after Close", n)
		}
	})
	return m
}

func dial(t *testing.T, m *Mux) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", m.HTTP().Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSplit(t *testing.T) {
	m := split(t)
	for name, tc := range map[string]struct {
		sent string
		at   net.Listener
	}{
		"TLS":            {"\x16\x03\x01\x02\x00", m.TLS()},
		"GET":            {"GET / HTTP/1.1\r\n", m.HTTP()},
		"OPTIONS":        {"OPTIONS * HTTP/1.1\r\n", m.HTTP()},
		"Allocate":       {"\x00\x03\x00\x08", m.TURN()},
		"highest STUN":   {"\x03\xff\x00\x08", m.TURN()},
		"lowest channel": {"\x40\x00\x00\x04", m.TURN()},
		"check":          {"\x00\x54\x00\x01\x00\x40\x21\x12\xa4\x42", m.ICE()},
		"longest check":  {"\x02\x00\x00\x01\x01\xec\x21\x12\xa4\x42", m.ICE()},
		// A Send indication has the number of a check's length, and TURN's frames are TURN's to judge.
		"Send":        {"\x00\x16\x00\x0c\x21\x12\xa4\x42", m.TURN()},
		"too short":   {"\x00\x13\x00\x01\x00\x00", m.TURN()},
		"too long":    {"\x02\x01\x00\x01\x01\xed", m.TURN()},
		"no request":  {"\x00\x54\x01\x01\x00\x40", m.TURN()},
		"zero length": {"\x00\x00\x00\x00", m.TURN()},
	} {
		client := dial(t, m)
		client.Write([]byte(tc.sent))
		conn, err := tc.at.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(tc.sent))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != tc.sent {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if conn.RemoteAddr().String() != client.LocalAddr().String() {
			t.Errorf("%s: from %v, want %v", name, conn.RemoteAddr(), client.LocalAddr())
		}
		conn.Write([]byte("back"))
		if _, err := io.ReadFull(client, got[:4]); err != nil || string(got[:4]) != "back" {
			t.Errorf("%s: back came %q, %v", name, got[:4], err)
		}
		conn.Close()
	}
	until(t, "the last connection to be counted", func() bool { return m.Counts().Undecided == 0 })
	if n := m.Counts(); n.Accepted != 13 || n.TLS != 1 || n.HTTP != 2 || n.TURN != 8 || n.ICE != 2 {
		t.Errorf("counts %+v", n)
	}
}

// TestCheckByteByByte: what a slow network brings in pieces is told apart all the same, and given back whole.
func TestCheckByteByByte(t *testing.T) {
	m := split(t)
	for sent, at := range map[string]net.Listener{
		"\x00\x54\x00\x01\x00\x40\x21\x12": m.ICE(), "\x00\x16\x00\x0c\x21\x12\xa4\x42": m.TURN(),
	} {
		client := dial(t, m)
		go func() {
			for i := range sent {
				client.Write([]byte{sent[i]})
				time.Sleep(time.Millisecond) // so that they leave one by one
			}
		}()
		conn, err := at.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != sent {
			t.Errorf("got %q, %v, want %q", got, err, sent)
		}
		conn.Close()
	}
}

func TestOtherBytesAreClosed(t *testing.T) {
	m := split(t)
	for i, first := range []byte{0x04, 0x14, 0x17, 0x3f, 0x50 + 0x0b, 'a', 'z', 0x80, 0xff} {
		client := dial(t, m)
		client.Write([]byte{first, 0, 0, 0})
		client.SetReadDeadline(time.Now().Add(patience))
		var timeout net.Error
		if n, err := client.Read(make([]byte, 1)); n != 0 || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%#x: %d bytes, %v; want the end", first, n, err)
		}
		if n := m.Counts().Dropped["unknown"]; n != uint64(i+1) {
			t.Errorf("%#x: %d counted, want %d", first, n, i+1)
		}
	}
}

func TestGoneBeforeTheFirstByte(t *testing.T) {
	m := split(t)
	dial(t, m).Close()
	until(t, "a drop", func() bool { return m.Counts().Dropped["silent"] == 1 })
}

// certificate is good for "localhost", and for this test only.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestAllOnOnePort has a real HTTP server outside and inside TLS, and TURN in both places.
func TestAllOnOnePort(t *testing.T) {
	outer := split(t)
	cert, pool := certificate(t)
	inner := New(tls.NewListener(outer.TLS(), &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"},
	}), nil)
	defer inner.Close()

	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		where := "plain "
		if r.TLS != nil {
			where = "secure "
		}
		io.WriteString(w, where+r.Proto)
	})}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer server.Close()
	for _, l := range []net.Listener{outer.HTTP(), inner.HTTP()} {
		serving.Go(func() { server.Serve(l) })
	}

	get := func(scheme string, protocols []string) string {
		t.Helper()
		config := &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: protocols}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: len(protocols) > 0 && protocols[0] == "h2"}
		if protocols == nil { // the transport would set some
			transport.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
			}
		}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport, Timeout: patience}).Get(scheme + "://" + outer.HTTP().Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return string(body)
	}
	for want, got := range map[string]string{
		"plain HTTP/1.1": get("http", nil), "secure HTTP/2.0": get("https", []string{"h2", "http/1.1"}),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, protocols := range [][]string{{"http/1.1"}, nil} {
		if got := get("https", protocols); got != "secure HTTP/1.1" {
			t.Errorf("%v: got %q", protocols, got)
		}
	}

	allocate := []byte{0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42}
	secure, err := tls.Dial("tcp", outer.HTTP().Addr().String(), &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	for client, at := range map[net.Conn]net.Listener{dial(t, outer): outer.TURN(), secure: inner.TURN()} {
		client.Write(allocate)
		conn, err := at.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(allocate))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, allocate) {
			t.Errorf("got %x, %v", got, err)
		}
		conn.Close()
	}
	// TLS inside TLS is nobody's, and neither is what cannot shake hands.
	nested, err := tls.Dial("tcp", outer.HTTP().Addr().String(), &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer nested.Close()
	nested.Write([]byte{0x16, 3, 1})
	until(t, "a drop", func() bool { return inner.Counts().Dropped["unknown"] == 1 })
	dial(t, outer).Write([]byte("\x16\x03\x01\x00\x04\x02\x00\x00\x00"))
	until(t, "a failed handshake", func() bool { return inner.Counts().Dropped["handshake"] == 1 })
}

// pipes is a listener whose connections are ends of pipes, for tests with a clock of their own.
type pipes struct {
	conns chan net.Conn
	errs  chan error
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), errs: make(chan error), done: make(chan struct{})}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case err := <-l.errs:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) dial() net.Conn {
	near, far := net.Pipe()
	l.conns <- near
	return far
}

func TestSilenceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		m := New(l, nil)
		client, start := l.dial(), time.Now()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		if got := time.Since(start); got != decideLife {
			t.Errorf("closed after %v, want %v", got, decideLife)
		}
		m.Close()
		if n := m.Counts(); n.Dropped["silent"] != 1 || n.Undecided != 0 {
			t.Errorf("counts %+v", n)
		}
	})
}

func TestNobodyAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		m := New(l, nil)
		client, start := l.dial(), time.Now()
		client.Write([]byte("G"))
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		if got := time.Since(start); got != acceptLife {
			t.Errorf("closed after %v, want %v", got, acceptLife)
		}
		m.Close()
		if n := m.Counts(); n.Dropped["backlog"] != 1 || n.HTTP != 0 {
			t.Errorf("counts %+v", n)
		}
	})
}

// TestOneAddress: of one address 64 are read, 448 wait, and more are closed; a decision lets the next one in.
func TestOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		m := New(l, nil)
		var clients []net.Conn
		for range maxPerAddr + maxWaitPerAddr {
			clients = append(clients, l.dial())
		}
		if _, err := l.dial().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("one too many: %v", err)
		}
		synctest.Wait()
		if n := m.Counts(); n.Undecided != maxPerAddr+maxWaitPerAddr || n.Dropped["address_full"] != 1 {
			t.Errorf("counts %+v", n)
		}
		// They all say what they are, and all get through, though never more than 64 are read at once.
		var wait sync.WaitGroup
		for _, client := range clients {
			wait.Go(func() { client.Write([]byte("GET")) })
		}
		for range clients {
			conn, err := m.HTTP().Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			conn.Close()
		}
		wait.Wait()
		m.Close()
		if n := m.Counts(); n.HTTP != maxPerAddr+maxWaitPerAddr {
			t.Errorf("counts %+v", n)
		}
	})
}

// TestAcceptErrorsPass: too many open files is no reason to stop.
func TestAcceptErrorsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		m := New(l, nil)
		start := time.Now()
		for range 10 {
			l.errs <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		client := l.dial()
		// 5, 10, 20 ... 640 ms are 1,275, and then a second each.
		if got, want := time.Since(start), 3275*time.Millisecond; got != want {
			t.Errorf("it took %v, want %v", got, want)
		}
		client.Write([]byte("G"))
		if conn, err := m.HTTP().Accept(); err != nil {
			t.Error(err)
		} else {
			conn.Close()
		}
		m.Close()
	})
}

func TestClose(t *testing.T) {
	m := split(t)
	silent, waiting, served := dial(t, m), dial(t, m), dial(t, m)
	served.Write([]byte("GET"))
	conn, err := m.HTTP().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	waiting.Write([]byte{0x16})
	until(t, "three connections", func() bool { return m.Counts().Accepted == 3 })
	accepting := make(chan error)
	go func() {
		_, err := m.TURN().Accept()
		accepting <- err
	}()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	for _, client := range []net.Conn{silent, waiting} {
		client.SetReadDeadline(time.Now().Add(patience))
		if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("an undecided connection: %v", err)
		}
	}
	conn.Write([]byte("still here"))
	served.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, 10)
	if _, err := io.ReadFull(served, got); err != nil {
		t.Errorf("an accepted connection: %v", err)
	}
}

func TestAddressOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1": "fe80::",
	} {
		if got := addressOf(remote{addr: &net.TCPAddr{IP: net.ParseIP(address)}}); got.String() != want {
			t.Errorf("%s: %v, want %s", address, got, want)
		}
	}
}

// remote is a connection of which only the address matters.
type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }
