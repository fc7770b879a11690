package turn

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun"
	pionturn "github.com/pion/turn/v2"

	"castcode/internal/bytecase"
)

// These tests give the library, without the cage, what the cage keeps from it. When one fails, the library has changed,
// and it is time to ask whether the cage is still needed.

// TestP1WithoutTheCage shows why the cage is there: the same bytes end a process whose library server has none.
func TestP1WithoutTheCage(t *testing.T) {
	const variable = "TURN_TEST_WITHOUT_CAGE"
	if os.Getenv(variable) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestP1WithoutTheCage$")
		child.Env = append(os.Environ(), variable+"=1")
		out, err := child.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("panic: runtime error")) {
			t.Errorf("the library survived: is the cage still needed? %v\n%s", err, out)
		}
		return
	}
	packet, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := packet.LocalAddr().(*net.UDPAddr)
	user, password := Credentials(secret, "peer", time.Now(), time.Minute)
	if _, err := pionturn.NewServer(pionturn.ServerConfig{
		Realm: "example.org",
		AuthHandler: func(string, string, net.Addr) ([]byte, bool) {
			return longTermKey(user, "example.org", password), true
		},
		PacketConnConfigs: []pionturn.PacketConnConfig{{
			PacketConn: packet,
			RelayAddressGenerator: &pionturn.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1",
			},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	f := &fixture{addr: addr}
	c := f.dial(t, "udp", user, password)
	if _, code := c.allocate(); code != 0 {
		t.Fatal(code)
	}
	for _, one := range bytecase.All() {
		if strings.HasPrefix(one.Name, "p1 send indication") { // others have answers, which are not that to the refresh
			c.send(one.Bytes)
		}
	}
	c.do(stun.MethodRefresh, lifetime(600))
}

// TestP9WithoutTheCage: a length that comes to nothing in 16 bits keeps the library busy for good, also after the client
// has gone. Nobody asks for credentials.
func TestP9WithoutTheCage(t *testing.T) {
	const variable = "TURN_TEST_SPIN"
	if os.Getenv(variable) == "" {
		for _, c := range bytecase.All() {
			if name := c.Name; name != "p9 stun of ffec" && name != "p9 channel of fffc" {
				continue
			}
			child := exec.Command(os.Args[0], "-test.run=^TestP9WithoutTheCage$")
			child.Env = append(os.Environ(), variable+"="+c.Name)
			out, err := child.CombinedOutput()
			if !bytes.Contains(out, []byte("it spins")) {
				t.Errorf("%s: the library does not spin: is the cage still needed? %v\n%s", c.Name, err, out)
			} else {
				t.Logf("%s: %s", c.Name, strings.TrimSpace(string(out[bytes.Index(out, []byte("it spins")):])))
			}
		}
		return
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pionturn.NewServer(pionturn.ServerConfig{
		Realm: "example.org", AuthHandler: func(string, string, net.Addr) ([]byte, bool) { return nil, false },
		LoggerFactory: (*quietLog)(&Server{}),
		ListenerConfigs: []pionturn.ListenerConfig{{
			Listener: l,
			RelayAddressGenerator: &pionturn.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1",
			},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range bytecase.All() {
		if c.Name == os.Getenv(variable) {
			conn.Write(c.Bytes)
		}
	}
	conn.Close()
	begun, used := time.Now(), processorTime(t)
	for time.Since(begun) < 10*time.Second {
		time.Sleep(20 * time.Millisecond)
		if spent := processorTime(t) - used; spent > time.Second {
			// The process is of no use any more: it ends here, with what spins in it.
			os.Stdout.WriteString("it spins: " + spent.Round(time.Millisecond).String() + " of processor time in " +
				time.Since(begun).Round(time.Millisecond).String() + "\n")
			os.Exit(1)
		}
	}
}

// processorTime is what this process has used so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
