package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
)

// coturn is a running turnserver (Debian's) on loopback that takes the credentials of the REST scheme.
type coturn struct {
	port     int
	from, to int // its relay ports
}

func startCoturn(t *testing.T, secret string) *coturn {
	t.Helper()
	program, err := exec.LookPath("turnserver")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("turnserver is missing: install coturn")
		}
		t.Skip("turnserver is missing: install coturn")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &coturn{port: l.Addr().(*net.TCPAddr).Port, from: 49200, to: 49299}
	_ = l.Close() // coturn takes the port a moment later
	dir := t.TempDir()
	file := filepath.Join(dir, "turnserver.conf")
	if err := os.WriteFile(file, []byte(c.config(t, dir, secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &screen{}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "-c", file)
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
		if t.Failed() {
			t.Logf("coturn:\n%s", out)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(c.port)); err == nil {
			_ = conn.Close()
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("coturn does not start:\n%s", out)
		}
	}
}

// config is the example of deploy with the addresses of this machine and without TLS. What is there besides stays,
// the refusal of all peers but castcode among it.
func (c *coturn) config(t *testing.T, dir, secret string) string {
	t.Helper()
	example, err := os.ReadFile(filepath.Join("..", "..", "deploy", "turnserver.conf"))
	if err != nil {
		t.Fatal(err)
	}
	mine := map[string]string{
		"listening-port": strconv.Itoa(c.port), "min-port": strconv.Itoa(c.from), "max-port": strconv.Itoa(c.to),
		"static-auth-secret": secret, "allowed-peer-ip": "127.0.0.1", "tls-listening-port": "", "cert": "", "pkey": "",
	}
	var lines []string
	for line := range strings.Lines(string(example)) {
		key, _, found := strings.Cut(strings.TrimSpace(line), "=")
		own, changed := mine[key]
		switch {
		case !found || !changed:
			lines = append(lines, strings.TrimSpace(line))
		case own != "":
			lines = append(lines, key+"="+own)
		}
		delete(mine, key)
	}
	if len(mine) > 0 {
		t.Fatalf("deploy/turnserver.conf says nothing about %v", mine)
	}
	return strings.Join(append(lines, "listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "allow-loopback-peers", "no-tls", "no-dtls",
		"log-file=stdout", "simple-log", "pidfile="+filepath.Join(dir, "pid"), "userdb="+filepath.Join(dir, "db"), ""), "\n")
}

var link = regexp.MustCompile(`^<([^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"; credential-type="password"$`)

// servers asks a door of WHIP or WHEP for its ICE servers, the way that players do before they offer.
func (g *guest) servers(url string) []webrtc.ICEServer {
	g.t.Helper()
	answer, _ := g.request("OPTIONS", url, "", "")
	var list []webrtc.ICEServer
	for _, header := range answer.Header.Values("Link") {
		if m := link.FindStringSubmatch(header); m != nil {
			list = append(list, webrtc.ICEServer{URLs: m[1:2], Username: m[2], Credential: m[3]})
		}
	}
	return list
}

// TestExternalCoturn lets a player reach the server through the TURN server that --turn-urls names and through
// nothing else.
func TestExternalCoturn(t *testing.T) {
	const secret = "a secret of both servers"
	file := filepath.Join(t.TempDir(), "turn.secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCoturn(t, secret)
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			url := fmt.Sprintf("turn:127.0.0.1:%d?transport=%s", c.port, transport)
			s := start(t, "--open", "--tls", "off", "--turn-urls", url, "--turn-secret-file", file)
			base := "http://127.0.0.1:" + s.port
			newGuest(t, base).publish("/whip/hall")

			servers := newGuest(t, base).servers("/whep/hall")
			if len(servers) != 1 || servers[0].URLs[0] != url {
				t.Fatalf("players are told %+v, want %s", servers, url)
			}
			player := newGuestWith(t, base, webrtc.Configuration{ICEServers: servers, ICETransportPolicy: webrtc.ICETransportPolicyRelay})
			player.play("/whep/hall")
			player.sees()
			for _, r := range player.pc.GetReceivers() {
				pair, err := r.Transport().ICETransport().GetSelectedCandidatePair()
				if err != nil || pair.Local.Typ != webrtc.ICECandidateTypeRelay || int(pair.Local.Port) < c.from || int(pair.Local.Port) > c.to {
					t.Errorf("the path is %v, %v; want one through a relay of coturn", pair, err)
				}
			}
			// The server does not relay by itself as well.
			admin := &guest{t: t, base: regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(s.out.String())}
			if answer, body := admin.request("GET", "/metrics", "", ""); answer.StatusCode != http.StatusOK || strings.Contains(body, "castcode_turn_") {
				t.Error("the built-in TURN server runs beside the external one")
			}
		})
	}
}
