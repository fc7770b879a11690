package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pionturn "github.com/pion/turn/v2"

	"castcode/internal/bytecase"
	"castcode/turn"
)

// TestByteCasesOnTheOnePort sends the whole table over every transport of the one port of a server: all is dropped and
// counted, or the connection is closed; the server lives, and has nothing to do afterwards.
func TestByteCasesOnTheOnePort(t *testing.T) {
	c := startChild(t)
	one := "127.0.0.1:" + c.port
	c.datagrams(one)
	for _, transport := range []string{"tcp", "tls"} {
		c.streams(transport, one)
	}
	for _, transport := range []string{"udp", "tcp", "tls"} {
		c.relayed(transport, one)
	}
	before := c.cpu()
	time.Sleep(time.Second) // not for luck: what is measured is a second
	if used := c.cpu() - before; used > 200*time.Millisecond {
		t.Errorf("the server uses %v in a second in which nothing comes", used)
	}
	if status, _ := c.get("https://" + one + "/"); status != 200 {
		t.Errorf("the page: %d", status)
	}
}

func (c *child) datagrams(one string) {
	c.t.Helper()
	conn, err := net.Dial("udp4", one)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is lost
	before, want := map[string]uint64{}, map[string]uint64{}
	for _, b := range bytecase.All() {
		if _, known := before[b.Drop]; !known {
			before[b.Drop] = c.count("udp_drops_total", b.Drop)
		}
		want[b.Drop]++
		if _, err := conn.Write(b.Bytes); err != nil {
			c.t.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond) // no flood: none may be lost on the way
	}
	for reason, n := range want {
		c.eventually("datagrams dropped as "+reason, func() bool { return c.count("udp_drops_total", reason) == before[reason]+n })
	}
}

func (c *child) eventually(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within 10 s: %s\n%.4000s", what, c.errors)
		}
	}
}

// dial opens a connection to the one port that is for TURN.
func (c *child) dial(transport, one string) net.Conn {
	c.t.Helper()
	var conn net.Conn
	var err error
	if transport == "tls" {
		config := c.client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.NextProtos = []string{"stun.turn"}
		conn, err = tls.Dial("tcp", one, config)
	} else {
		conn, err = net.Dial("tcp", one)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// streams begins a connection with each case. What does not close one is followed by a request, which is answered.
func (c *child) streams(transport, one string) {
	c.t.Helper()
	ping := []byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for _, b := range bytecase.All() {
		if b.Ways&bytecase.Stream == 0 {
			continue
		}
		conn := c.dial(transport, one)
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, err := conn.Write(b.Bytes)
		if !b.Closes && err == nil {
			_, err = conn.Write(ping)
		}
		answer := make([]byte, 100)
		n, readErr := conn.Read(answer)
		switch {
		case b.Closes && (n != 0 || errors.Is(readErr, os.ErrDeadlineExceeded)):
			c.t.Errorf("%s, %s: read %d bytes, %v; want the end", transport, b.Name, n, readErr)
		case !b.Closes && (err != nil || n < 20 || answer[0] != 1 || answer[1] != 1):
			c.t.Errorf("%s, %s: %v, %x, %v; want an answer to what follows", transport, b.Name, err, answer[:n], readErr)
		}
		_ = conn.Close()
	}
}

// relayed sends from a client that has a relay, which goes on.
func (c *child) relayed(transport, one string) {
	c.t.Helper()
	conn := c.over(transport, one)
	client := c.turnClient(conn, one, "p_relayed")
	defer client.Close()
	relay, err := client.Allocate()
	if err != nil {
		c.t.Fatalf("%s: %v", transport, err)
	}
	server, err := net.ResolveUDPAddr("udp4", one)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, b := range bytecase.All() {
		if b.Ways&bytecase.Relayed == 0 {
			continue
		}
		if _, err := conn.WriteTo(b.Bytes, server); err != nil {
			c.t.Errorf("%s, %s: %v", transport, b.Name, err)
		}
	}
	if err := client.CreatePermission(server); err != nil {
		c.t.Errorf("%s: after all cases: %v", transport, err)
	}
	if err := relay.Close(); err != nil {
		c.t.Errorf("%s: %v", transport, err)
	}
}

// turnClient is a client of the library's with good credentials of a peer.
func (s *started) turnClient(conn net.PacketConn, server, peer string) *pionturn.Client {
	s.t.Helper()
	secret, err := os.ReadFile(filepath.Join(s.data, "secrets", "turn.secret"))
	if err != nil {
		s.t.Fatal(err)
	}
	user, password := turn.Credentials([]byte(strings.TrimSpace(string(secret))), peer, time.Now(), time.Minute)
	client, err := pionturn.NewClient(&pionturn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Conn: conn, Username: user, Password: password, Realm: "castcode",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := client.Listen(); err != nil {
		s.t.Fatal(err)
	}
	return client
}
