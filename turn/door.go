package turn

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"castcode/internal/stunwire"
)

// door stands between the library and one transport: the UDP socket, or one stream. The library reads a door with
// one goroutine and has answered a message before it reads the next, so what the handlers learn about the message
// can stand here. Others (the relays) only write ChannelData and Data indications through it.
type door struct {
	net.PacketConn // fixed
	server         *Server
	stream         *stream // nil for UDP

	// owned by the read loop: the message that is being handled
	raw     []byte // in the library's buffer
	message stunwire.Message
	source  netip.AddrPort
	grant   grant
	key     []byte  // of the authenticated user, or nil
	refusal refusal // what to answer instead of what the library says
}

// refusal is an error code that we know better than the library.
type refusal uint16

const (
	refusedNothing     refusal = 0
	refusedRequest     refusal = 400 // RFC 8656 section 12.2
	refusedCredentials refusal = 401 // the library says 400, RFC 8489 section 9.2.4 says 401
	refusedPeer        refusal = 403 // the library says nothing, or 401; RFC 8656 section 10.2 says 403
	refusedQuota       refusal = 486 // the library says 508; RFC 8656 section 7.2 says 486
)

var refusalReasons = map[refusal]string{
	refusedRequest: "Bad Request", refusedCredentials: "Unauthenticated", refusedPeer: "Forbidden", refusedQuota: "Allocation Quota Reached",
}

// ReadFrom returns the next message that passes the guard. The guard is ours also where the transport has one:
// the library panics at what it would let through.
func (d *door) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := d.PacketConn.ReadFrom(p)
		if err != nil {
			return 0, nil, err
		}
		d.raw, d.message, d.key, d.refusal, d.grant = nil, stunwire.Message{}, nil, refusedNothing, grant{}
		if n > 0 && p[0] > 3 {
			if stunwire.CheckChannelData(p[:n]) == stunwire.OK {
				return n, from, nil
			}
			d.server.counters.drop(dropMessage)
			continue
		}
		m, fault := stunwire.Parse(p[:n])
		if fault == stunwire.OK {
			fault = stunwire.ForTURN(m)
		}
		if fault != stunwire.OK {
			d.server.counters.drop(dropMessage)
			continue
		}
		d.raw, d.message, d.source = p[:n], m, sourceOf(from)
		return n, from, nil
	}
}

// WriteTo sends what the library and the relays write.
func (d *door) WriteTo(p []byte, to net.Addr) (int, error) {
	// Of all that is written only answers have a first byte of 1, and only the read loop writes them.
	if len(p) < stunwire.HeaderSize || p[0] != stunwire.ClassSuccess>>8 {
		return d.PacketConn.WriteTo(p, to)
	}
	kind := binary.BigEndian.Uint16(p[:2])
	failed := kind&stunwire.ClassError == stunwire.ClassError
	if (failed || kind == stunwire.BindingSuccess) && !d.server.answers.take(d.source.Addr(), d.server.cfg.now()) {
		d.server.counters.drop(dropAnswer)
		return len(p), nil
	}
	if failed && d.refusal != refusedNothing {
		if _, err := d.PacketConn.WriteTo(d.refuse(p), to); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return d.PacketConn.WriteTo(p, to)
}

// refuse builds the error answer that should have been, with the type and transaction of answer.
func (d *door) refuse(answer []byte) []byte {
	p := append(make([]byte, 0, 256), answer[:stunwire.HeaderSize]...)
	code := make([]byte, 4, 32) // RFC 8489 section 14.8
	code[2], code[3] = byte(d.refusal/100), byte(d.refusal%100)
	p = appendAttribute(p, stunwire.AttrErrorCode, append(code, refusalReasons[d.refusal]...))
	if d.refusal == refusedCredentials {
		p = appendAttribute(p, stunwire.AttrRealm, []byte(d.server.cfg.Realm))
		p = appendAttribute(p, stunwire.AttrNonce, d.message.Nonce)
	} else if d.key != nil {
		sum := stunwire.Integrity(p, d.key)
		p = appendAttribute(p, stunwire.AttrIntegrity, sum[:])
	}
	binary.BigEndian.PutUint16(p[2:4], uint16(len(p)-stunwire.HeaderSize))
	return p
}

// appendAttribute: RFC 8489 section 14.
func appendAttribute(p []byte, kind uint16, value []byte) []byte {
	p = binary.BigEndian.AppendUint16(p, kind)
	p = binary.BigEndian.AppendUint16(p, uint16(len(value)))
	p = append(p, value...)
	return append(p, make([]byte, -len(value)&3)...)
}

// Validate implements pionturn.RelayAddressGenerator.
func (d *door) Validate() error { return nil }

// AllocatePacketConn opens a relay for the message that d handles. The library asks for a certain port only for
// EVEN-PORT (RFC 8656 section 7.2). It keeps a reservation for each of those for 30 s, in an unbounded list, so
// there are only so many a second; browsers ask for none.
func (d *door) AllocatePacketConn(_ string, port int) (net.PacketConn, net.Addr, error) {
	r, err := d.server.openRelay(d, port)
	switch {
	case errors.Is(err, errQuota):
		d.server.counters.drop(dropQuota)
		d.refusal = refusedQuota
		return nil, nil, err
	case errors.Is(err, errEvenPort):
		d.server.counters.drop(dropEvenPort)
		return nil, nil, err
	case err != nil:
		return nil, nil, err
	}
	return r, r.local, nil
}

// AllocateConn implements pionturn.RelayAddressGenerator. Relays over TCP (RFC 6062) are not offered.
func (d *door) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	return nil, nil, errors.New("no TCP relays")
}
