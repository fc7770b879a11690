package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// server is a running product binary.
type server struct {
	t        *testing.T
	st       *stage
	port     int
	loopback bool // bound to 127.0.0.1 and without TLS, as behind a proxy
	in       place
	host     string         // what it is called; "localhost" unless it is in another network
	at       netip.AddrPort // and where it is there
	cmd      *exec.Cmd
	out      *tail
	gone     chan error

	secrets []string // codes and tickets that were seen in pages and must not be in the log
}

// freePort finds a port that is free for TCP and UDP. The server gets it a moment later; another program could
// take it in between, and then the server says so and the test fails with its log.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", ":"+strconv.Itoa(port))
		l.Close()
		if err != nil {
			continue
		}
		u.Close()
		return port
	}
	t.Fatal("no port is free for both TCP and UDP")
	return 0
}

// serve runs a server for this test and asserts at the end that SIGTERM ends it with status 0.
func (st *stage) serve(t *testing.T, args ...string) *server {
	t.Helper()
	s, err := st.startServer(t, freePort(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func (st *stage) startServer(t *testing.T, port int, args ...string) (*server, error) {
	return st.launch(t, &server{port: port}, args...)
}

// serveIn runs a server in another network, where it has an address and a name.
func (st *stage) serveIn(t *testing.T, in place, host string, at netip.AddrPort, args ...string) *server {
	t.Helper()
	s, err := st.launch(t, &server{port: int(at.Port()), in: in, host: host, at: at}, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// serveLoopback runs a server that is bound to 127.0.0.1 and has no TLS.
func (st *stage) serveLoopback(t *testing.T, args ...string) *server {
	t.Helper()
	s, err := st.launch(t, &server{port: freePort(t), loopback: true}, append([]string{"--tls", "off"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func (st *stage) launch(t *testing.T, s *server, args ...string) (*server, error) {
	s.t, s.st, s.out, s.gone = t, st, new(tail), make(chan error, 1)
	addr := ":" + strconv.Itoa(s.port)
	if s.loopback {
		addr = "127.0.0.1" + addr
	}
	// The admin listener has a fixed port by default, and another server may run on the machine.
	s.cmd = exec.Command(st.binary, append([]string{
		"serve", "--addr", addr, "--data", st.data, "--admin-addr", "off",
	}, args...)...)
	s.cmd.Env = []string{"HOME=" + st.home, "PATH=" + os.Getenv("PATH")}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := enter(s.in, s.cmd); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	cmd, gone := s.cmd, s.gone
	go func() { gone <- cmd.Wait() }()
	if err := s.waitReady(); err != nil {
		return nil, errors.Join(err, s.end(), fmt.Errorf("log:\n%s", s.out))
	}
	return s, nil
}

// url is the address of a path of the server, as people would type it on this machine.
func (s *server) url(path string) string {
	if s.loopback {
		return fmt.Sprintf("http://127.0.0.1:%d%s", s.port, path)
	}
	host := s.host
	if host == "" {
		host = "localhost"
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(s.port)) + path
}

// waitReady polls the start page. Only before the CA is known it looks away from the certificate.
func (s *server) waitReady() error {
	client := s.client()
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(20 * time.Second)
	for {
		res, err := client.Get(s.url("/"))
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %s", res.Status)
		}
		select {
		case ended := <-s.gone:
			s.gone <- ended
			return fmt.Errorf("the server ended at once: %w", ended)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server is not ready within 20 s: %w", err)
		}
	}
}

func (s *server) client() *http.Client {
	conf := &tls.Config{InsecureSkipVerify: s.st.ca == nil}
	if block, _ := pem.Decode(s.st.ca); block != nil {
		conf.RootCAs = x509.NewCertPool()
		conf.RootCAs.AppendCertsFromPEM(s.st.ca)
	}
	transport := &http.Transport{TLSClientConfig: conf}
	if s.in != nil {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return s.in.Dial(ctx, network, s.at.String())
		}
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: transport}
}

// fetchCA gets the certificate of the CA the way a new device does, over plain HTTP on the same port.
func (s *server) fetchCA() ([]byte, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Get(fmt.Sprintf("http://localhost:%d/ca.crt", s.port))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/ca.crt: %s", res.Status)
	}
	if block, _ := pem.Decode(body); block != nil {
		_, err = x509.ParseCertificate(block.Bytes)
		return body, err
	}
	cert, err := x509.ParseCertificate(body)
	if err != nil {
		return nil, fmt.Errorf("/ca.crt is neither PEM nor DER: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), nil
}

// end sends SIGTERM and waits for the process; every end but exit status 0 is an error.
func (s *server) end() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	if err := endProcess(cmd, s.gone, 30*time.Second); err != nil {
		return fmt.Errorf("the server: %w", err)
	}
	if status := cmd.ProcessState.ExitCode(); status != 0 {
		return fmt.Errorf("the server's exit status is %d (%s), want 0", status, cmd.ProcessState)
	}
	return nil
}

// stop ends the server and looks into its log.
func (s *server) stop() {
	if err := s.end(); err != nil {
		s.t.Error(err)
	}
	s.readLog()
	if s.t.Failed() {
		s.t.Logf("server log:\n%s", s.out)
	}
}

// restart starts the server again after end, on the same port and with the same data, as a process supervisor
// does.
func (s *server) restart(args ...string) {
	s.t.Helper()
	s.readLog()
	again, err := s.st.startServer(s.t, s.port, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd, s.gone, s.out = again.cmd, again.gone, again.out
}

// readLog asserts that there is no code in the log, nor the marks of a crash.
func (s *server) readLog() {
	log := s.out.String()
	for _, secret := range s.secrets {
		if regexp.MustCompile(`\b` + regexp.QuoteMeta(secret) + `\b`).MatchString(log) {
			s.t.Errorf("a code or ticket stands in the server's log")
		}
	}
	if regexp.MustCompile(`(?m)^(panic|fatal error):|DATA RACE`).MatchString(log) {
		s.t.Errorf("the server panicked:\n%s", log)
	}
}

// keepSecret notes a code or ticket that must not appear in the server's log.
func (s *server) keepSecret(code string) string {
	s.secrets = append(s.secrets, code)
	return code
}
