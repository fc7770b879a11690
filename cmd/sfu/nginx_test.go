package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// startNginx runs Debian's nginx with deploy/nginx.conf in front of a server, until the test ends, and gives its port.
// Only names of files and ports are other ones.
func startNginx(t *testing.T, upstream string) (port string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if _, err := os.Stat("/usr/sbin/nginx"); err == nil {
			program = "/usr/sbin/nginx"
		} else if os.Getenv("CI") == "true" {
			t.Fatal("nginx is missing: install nginx-light")
		} else {
			t.Skip("nginx is missing: install nginx-light")
		}
	}
	example, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writePair(t, dir, 7)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, redirect, _ := net.SplitHostPort(plain.Addr().String())
	_, _ = l.Close(), plain.Close() // nginx takes the ports a moment later
	text := string(example)
	for _, c := range [][2]string{
		{"    listen 443 ssl;", "    listen 127.0.0.1:" + port + " ssl;"},
		{"    listen [::]:443 ssl;", ""},
		{"    listen 80;", "    listen 127.0.0.1:" + redirect + ";"},
		{"    listen [::]:80;", ""},
		{"/etc/letsencrypt/live/cast.example.org/fullchain.pem", dir + "/cert.pem"},
		{"/etc/letsencrypt/live/cast.example.org/privkey.pem", dir + "/key.pem"},
		{"http://127.0.0.1:8080", "http://" + upstream},
	} {
		if strings.Count(text, c[0]) != 1 {
			t.Fatalf("deploy/nginx.conf has %d of %q", strings.Count(text, c[0]), c[0])
		}
		text = strings.Replace(text, c[0], c[1], 1)
	}
	whole := fmt.Sprintf("daemon off;\nworker_processes 1;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\nfastcgi_temp_path %[1]s/fastcgi;\nuwsgi_temp_path %[1]s/uwsgi;\nscgi_temp_path %[1]s/scgi;\n%[2]s}\n", dir, text)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &screen{}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "-p", dir, "-c", file, "-e", "stderr")
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // its worker ends with it
	command.WaitDelay = 10 * time.Second
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was told to end
		if t.Failed() {
			t.Logf("nginx:\n%s", out)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = conn.Close()
			return port
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not start:\n%s", out)
		}
	}
}

// TestBehindNginx: pages, socket, WHIP and WHEP come by a real nginx that ends TLS; media and TURN go to the server's own
// port.
func TestBehindNginx(t *testing.T) {
	const name = "cast.example.org"
	s := start(t, "--tls", "off", "--host", name, "--trusted-proxies", "127.0.0.1/32", "--log-level", "debug")
	port := startNginx(t, "127.0.0.1:"+s.port)
	base := "https://" + net.JoinHostPort(name, port)
	transport := &http.Transport{
		TLSClientConfig: blind,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	page, err := client.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(page.Body)
	_ = page.Body.Close() // it was read
	if csp := page.Header.Get("Content-Security-Policy"); err != nil || page.StatusCode != 200 || len(body) == 0 ||
		!strings.Contains(csp, "connect-src 'self' wss://"+name+":"+port+";") {
		t.Errorf("the start page: %d, %v, policy %s", page.StatusCode, err, csp)
	}

	code, publish, watch := s.roomThrough(t, port, name)
	caster, player := newGuest(t, base), newGuest(t, base)
	caster.client, player.client = client, client
	caster.publish("/whip/"+code, "Authorization", "Bearer "+publish)
	player.play("/whep/"+code, "Authorization", "Bearer "+watch)
	player.sees()
	for _, g := range []*guest{caster, player} {
		if !strings.HasPrefix(g.at, "/wh") && !strings.HasPrefix(g.at, base) {
			t.Errorf("Location %q does not lead back through nginx", g.at)
		}
		pair, err := g.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
		if err != nil || pair == nil || strconv.Itoa(int(pair.Remote.Port)) != s.port {
			t.Errorf("media goes by %v, %v; want port %s", pair, err, s.port)
		}
		if links := strings.Join(g.head.Values("Link"), " "); !strings.Contains(links, "turn:"+name+":"+s.port+"?transport=tcp") {
			t.Errorf("TURN is told to be at %s", links)
		}
		g.restart("through nginx")
	}
	player.goesOn()
	for _, g := range []*guest{player, caster} {
		if answer, text := g.request("DELETE", g.at, "", ""); answer.StatusCode != 200 {
			t.Errorf("DELETE: %d %s", answer.StatusCode, text)
		}
	}
}

// roomThrough opens a room over a socket that goes through nginx, as the page of the name there does; another page and
// another address are refused.
func (s *started) roomThrough(t *testing.T, port, name string) (code, publish, watch string) {
	t.Helper()
	dialer := &websocket.Dialer{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name},
		NetDial:         func(network, _ string) (net.Conn, error) { return net.Dial(network, "127.0.0.1:"+port) },
	}
	at := "wss://" + net.JoinHostPort(name, port) + "/ws"
	for _, foreign := range []string{"https://evil.example", "https://" + name, "http://" + net.JoinHostPort(name, port)} {
		if _, answer, err := dialer.Dial(at, http.Header{"Origin": {foreign}}); err == nil || answer == nil || answer.StatusCode != 403 {
			t.Errorf("a page of %s opens a socket: %v", foreign, err)
		}
	}
	c, _, err := dialer.Dial(at, http.Header{"Origin": {"https://" + net.JoinHostPort(name, port)}, "X-Forwarded-For": {"192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return opensRoom(t, c)
}
