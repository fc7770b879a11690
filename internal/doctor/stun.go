package doctor

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/pion/stun"

	"castcode/internal/stunwire"
)

// ownFragment is the ICE user fragment that our offer names. Nobody checks against it: the server is ICE-lite.
const ownFragment = "doctor"

// offer is one that a viewer makes, of a connection that is never set up further than ICE.
func offer() string {
	print := make([]byte, 32)
	_, _ = rand.Read(print) // it never fails
	pairs := make([]string, len(print))
	for i, b := range print {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	lines := []string{
		"v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "m=video 9 UDP/TLS/RTP/SAVPF 96",
		"c=IN IP4 0.0.0.0", "a=ice-ufrag:" + ownFragment, "a=ice-pwd:" + rand.Text(),
		"a=fingerprint:sha-256 " + strings.Join(pairs, ":"), "a=setup:actpass", "a=mid:0", "a=recvonly", "a=rtcp-mux",
		"a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli",
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// end is a place to reach, as host and port.
type end struct{ host, port string }

func (e end) String() string { return net.JoinHostPort(e.host, e.port) }

// offered is what an answer says of the media side.
type offered struct {
	fragment, password string
	udp, tcp           []end
}

const maxCandidates = 16

// readAnswer takes ICE credentials and candidates from an answer.
func readAnswer(sdp string) (o offered, err error) {
	for line := range strings.Lines(sdp) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "a=ice-ufrag":
			o.fragment = value
		case "a=ice-pwd":
			o.password = value
		case "a=candidate": // RFC 8839 section 5.1; the type of TCP in RFC 6544 section 4.5
			f := strings.Fields(value)
			if len(f) < 8 || f[1] != "1" {
				continue
			}
			at := end{f[4], f[5]}
			switch {
			case strings.EqualFold(f[2], "udp") && len(o.udp) < maxCandidates:
				o.udp = appendNew(o.udp, at)
			case strings.EqualFold(f[2], "tcp") && len(o.tcp) < maxCandidates:
				o.tcp = appendNew(o.tcp, at)
			}
		}
	}
	if o.fragment == "" || o.password == "" {
		return o, errors.New("the answer has no ICE credentials")
	}
	return o, nil
}

func appendNew(list []end, e end) []end {
	for _, have := range list {
		if have == e {
			return list
		}
	}
	return append(list, e)
}

// ask makes a connectivity check (RFC 8445 section 7.2.2).
func (o offered) ask() (*stun.Message, error) {
	return stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(o.fragment+":"+ownFragment),
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		stun.RawAttribute{Type: stun.AttrPriority, Value: binary.BigEndian.AppendUint32(nil, 110<<24|65535<<8|255)},
		stun.NewShortTermIntegrity(o.password), stun.Fingerprint)
}

// hear says whether p is the signed answer to a check, and where that came from.
func (o offered) hear(p []byte, check *stun.Message) (mapped string, ok bool) {
	m, fault := stunwire.Parse(p) // before the library, which trusts lengths
	if fault != stunwire.OK || m.Type != stunwire.BindingSuccess || !m.Signed() || !stunwire.CheckIntegrity(p, m, []byte(o.password)) {
		return "", false
	}
	got := &stun.Message{Raw: append([]byte(nil), p...)}
	if got.Decode() != nil || got.TransactionID != check.TransactionID {
		return "", false
	}
	var at stun.XORMappedAddress
	if at.GetFrom(got) == nil {
		mapped = at.String()
	}
	return mapped, true
}

// packets makes a PacketConn of a stream of STUN and ChannelData frames (RFC 8656 section 2.1), or checks what comes
// from one that is one already: the TURN library must not see what is malformed.
type packets struct {
	net.PacketConn          // nil for a stream
	stream         net.Conn // nil for datagrams
}

// ReadFrom implements net.PacketConn.
func (p *packets) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	for {
		if p.stream == nil {
			n, from, err = p.PacketConn.ReadFrom(b)
		} else {
			n, err = p.frame(b)
			from = p.stream.RemoteAddr()
		}
		if err != nil || sound(b[:n]) {
			return n, from, err
		}
	}
}

// frame reads one frame of the stream.
func (p *packets) frame(b []byte) (int, error) {
	if _, err := io.ReadFull(p.stream, b[:stunwire.FrameHeader]); err != nil {
		return 0, err
	}
	size, fault := stunwire.FrameSize(b[:stunwire.FrameHeader])
	if fault != stunwire.OK || size > len(b) || size < stunwire.FrameHeader {
		return 0, errors.New("the server sends no TURN")
	}
	if _, err := io.ReadFull(p.stream, b[stunwire.FrameHeader:size]); err != nil {
		return 0, err
	}
	return size, nil
}

func sound(p []byte) bool {
	if len(p) > 0 && p[0]>>6 == 1 {
		return stunwire.CheckChannelData(p) == stunwire.OK
	}
	_, fault := stunwire.Parse(p)
	return fault == stunwire.OK
}

// WriteTo implements net.PacketConn; a stream has one other end only.
func (p *packets) WriteTo(b []byte, to net.Addr) (int, error) {
	if p.stream != nil {
		return p.stream.Write(b)
	}
	return p.PacketConn.WriteTo(b, to)
}

// LocalAddr implements net.PacketConn.
func (p *packets) LocalAddr() net.Addr {
	if p.stream != nil {
		return p.stream.LocalAddr()
	}
	return p.PacketConn.LocalAddr()
}

// SetDeadline implements net.PacketConn, as do the next two.
func (p *packets) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

// SetReadDeadline implements net.PacketConn.
func (p *packets) SetReadDeadline(t time.Time) error {
	if p.stream != nil {
		return p.stream.SetReadDeadline(t)
	}
	return p.PacketConn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.PacketConn.
func (p *packets) SetWriteDeadline(t time.Time) error {
	if p.stream != nil {
		return p.stream.SetWriteDeadline(t)
	}
	return p.PacketConn.SetWriteDeadline(t)
}

// Close implements net.PacketConn.
func (p *packets) Close() error {
	if p.stream != nil {
		return p.stream.Close()
	}
	return p.PacketConn.Close()
}
