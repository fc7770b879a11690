package linksim

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// hostsPath has a directory for each namespace whose files ip netns exec puts into the place of those in /etc.
const hostsPath = "/etc/netns"

// Hosts lets the programs that are started in the namespace from now on know hosts by name, by their hosts file and by
// DNS, and no others but localhost. Some browsers look a name up here, others there.
func (n *Namespace) Hosts(names map[string][]netip.Addr) {
	n.lab.t.Helper()
	lines := "127.0.0.1 localhost\n::1 localhost\n"
	for name, addrs := range names {
		for _, addr := range addrs {
			lines += addr.String() + " " + name + "\n"
		}
	}
	dir := filepath.Join(hostsPath, n.name)
	n.lab.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			n.lab.t.Error(err)
		}
	})
	if err := os.MkdirAll(dir, 0o755); err != nil {
		n.lab.t.Fatal(err)
	}
	for file, text := range map[string]string{"hosts": lines, "resolv.conf": "nameserver 127.0.0.1\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			n.lab.t.Fatal(err)
		}
	}
	n.answer(names)
}

// answer runs a DNS server (RFC 1035) on the namespace's loopback until the test ends.
func (n *Namespace) answer(names map[string][]netip.Addr) {
	n.lab.t.Helper()
	var conn net.PacketConn
	err := n.Do(func() (err error) {
		conn, err = net.ListenPacket("udp", "127.0.0.1:53")
		return err
	})
	if err != nil {
		n.lab.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := reply(buf[:size], names); answer != nil {
				_, _ = conn.WriteTo(answer, from) // who did not get it asks again
			}
		}
	}()
	n.lab.t.Cleanup(func() {
		_ = conn.Close() // ends the reader
		<-ended
	})
}

// reply is the answer to a query: the addresses of a name, none of them for other types, and for other names that
// there is no such name. It is nil for what is no query.
func reply(query []byte, names map[string][]netip.Addr) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil || header.Response {
		return nil
	}
	asked, err := p.Question()
	if err != nil {
		return nil
	}
	addrs, known := names[strings.ToLower(strings.TrimSuffix(asked.Name.String(), "."))]
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{asked},
	}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range addrs {
		var body dnsmessage.ResourceBody
		switch {
		case asked.Type == dnsmessage.TypeA && addr.Is4():
			body = &dnsmessage.AResource{A: addr.As4()}
		case asked.Type == dnsmessage.TypeAAAA && addr.Is6():
			body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: asked.Name, Class: dnsmessage.ClassINET, TTL: 60}, Body: body,
		})
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}
