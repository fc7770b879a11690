package turn

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun"
	pionturn "github.com/pion/turn/v2"
)

// rawClient sends single TURN requests over UDP or TCP.
type rawClient struct {
	t              testing.TB
	conn           net.PacketConn
	to             net.Addr
	user, password string
	nonce          stun.Nonce
}

func (f *fixture) dial(t testing.TB, network, user, password string) *rawClient {
	t.Helper()
	c := &rawClient{t: t, to: f.addr, user: user, password: password}
	if network == "udp" {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		c.conn = conn
	} else {
		c.conn = pionturn.NewSTUNConn(f.stream(t, network))
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// stream connects over "tcp" or "tls".
func (f *fixture) stream(t testing.TB, network string) net.Conn {
	t.Helper()
	var conn net.Conn
	var err error
	if network == "tls" {
		conn, err = tls.Dial("tcp4", f.tls.String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"stun.turn"}})
	} else {
		conn, err = net.Dial("tcp4", f.addr.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// client is dial with good credentials of peer.
func (f *fixture) client(t testing.TB, network, peer string) *rawClient {
	t.Helper()
	user, password := Credentials(secret, peer, f.cfg.now(), time.Minute)
	return f.dial(t, network, user, password)
}

func (c *rawClient) send(p []byte) {
	c.t.Helper()
	if _, err := c.conn.WriteTo(p, c.to); err != nil {
		c.t.Fatal(err)
	}
}

// receive waits for the next message, or returns nil.
func (c *rawClient) receive(wait time.Duration) *stun.Message {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(wait))
	p := make([]byte, 2048)
	n, _, err := c.conn.ReadFrom(p)
	if err != nil {
		return nil
	}
	m := &stun.Message{Raw: p[:n]}
	if err := m.Decode(); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// do sends a request of method, and once more with credentials when it is asked for them. It returns the answer
// and its error code, 0 for success.
func (c *rawClient) do(method stun.Method, attributes ...stun.Setter) (*stun.Message, int) {
	c.t.Helper()
	for range 3 {
		setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
		if c.nonce != nil {
			setters = append(setters, stun.NewUsername(c.user), stun.NewRealm("example.org"), c.nonce,
				stun.NewLongTermIntegrity(c.user, "example.org", c.password))
		}
		request, err := stun.Build(setters...)
		if err != nil {
			c.t.Fatal(err)
		}
		c.send(request.Raw)
		answer := c.receive(patience)
		if answer == nil || answer.TransactionID != request.TransactionID || answer.Type.Method != method {
			c.t.Fatalf("%v: answer %v", method, answer)
		}
		if answer.Type.Class == stun.ClassSuccessResponse {
			return answer, 0
		}
		var code stun.ErrorCodeAttribute
		if err := code.GetFrom(answer); err != nil {
			c.t.Fatalf("%v: an error without a code: %v", method, answer)
		}
		fresh := c.nonce == nil
		if code.Code == stun.CodeUnauthorized || code.Code == stun.CodeStaleNonce {
			var realm stun.Realm
			if err := realm.GetFrom(answer); err != nil || realm.String() != "example.org" {
				c.t.Fatalf("%v: realm %v, %v", method, realm, err)
			}
			if err := c.nonce.GetFrom(answer); err != nil {
				c.t.Fatal(err)
			}
		}
		if code.Code == stun.CodeForbidden || code.Code == stun.CodeAllocQuotaReached {
			if err := stun.NewLongTermIntegrity(c.user, "example.org", c.password).Check(answer); err != nil {
				c.t.Errorf("%v: answer %d: %v", method, code.Code, err)
			}
		}
		if !fresh || code.Code != stun.CodeUnauthorized {
			return answer, int(code.Code)
		}
	}
	c.t.Fatal("asked for credentials again and again")
	return nil, 0
}

// allocate opens a relay and returns its address.
func (c *rawClient) allocate(attributes ...stun.Setter) (netip.AddrPort, int) {
	c.t.Helper()
	answer, code := c.do(stun.MethodAllocate, append([]stun.Setter{overUDP}, attributes...)...)
	if code != 0 {
		return netip.AddrPort{}, code
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(answer, stun.AttrXORRelayedAddress); err != nil {
		c.t.Fatal(err)
	}
	ip, _ := netip.AddrFromSlice(relayed.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(relayed.Port)), 0
}

// raw sets an attribute to some bytes.
type raw stun.RawAttribute

func (r raw) AddTo(m *stun.Message) error {
	m.Add(r.Type, r.Value)
	return nil
}

var overUDP = raw{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

func lifetime(seconds uint32) raw {
	return raw{Type: stun.AttrLifetime, Value: binary.BigEndian.AppendUint32(nil, seconds)}
}

func channel(n uint16) raw {
	return raw{Type: stun.AttrChannelNumber, Value: binary.BigEndian.AppendUint16(nil, n)[:2:2]}.padded()
}

func (r raw) padded() raw {
	r.Value = append(r.Value, 0, 0)
	return r
}

// toPeer is an XOR-PEER-ADDRESS.
type toPeer netip.AddrPort

func (p toPeer) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	if a.Addr().Is4In6() {
		// The library would write it as IPv4; an attacker would not.
		b, value := a.Addr().As16(), make([]byte, 20)
		value[1] = 2
		binary.BigEndian.PutUint16(value[2:], a.Port()^0x2112)
		mask := append(binary.BigEndian.AppendUint32(nil, 0x2112A442), m.TransactionID[:]...)
		for i := range b {
			value[4+i] = b[i] ^ mask[i]
		}
		m.Add(stun.AttrXORPeerAddress, value)
		return nil
	}
	return stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}
