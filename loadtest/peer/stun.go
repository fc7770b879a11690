package peer

import (
	"crypto/hmac"
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"castcode/internal/stunwire"
)

// Attributes of connectivity checks (RFC 8445 section 16.1, RFC 8489 section 14).
const (
	attrXORMapped    = 0x0020
	attrPriority     = 0x0024
	attrUseCandidate = 0x0025
	attrFingerprint  = 0x8028
	attrControlling  = 0x802A

	fingerprintXOR = 0x5354554E
)

// transaction is the id of a STUN message.
type transaction [12]byte

// message puts a STUN message together.
type message struct{ b []byte }

func newMessage(b []byte, kind uint16, id transaction) message {
	b = binary.BigEndian.AppendUint16(b[:0], kind)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, stunwire.Cookie)
	return message{append(b, id[:]...)}
}

func (m *message) add(kind uint16, value []byte) {
	m.b = binary.BigEndian.AppendUint16(m.b, kind)
	m.b = binary.BigEndian.AppendUint16(m.b, uint16(len(value)))
	m.b = append(m.b, value...)
	for len(m.b)%4 != 0 {
		m.b = append(m.b, 0)
	}
}

// seal adds MESSAGE-INTEGRITY and FINGERPRINT and sets the length.
func (m *message) seal(key []byte) []byte {
	sum := stunwire.Integrity(m.b, key)
	m.add(stunwire.AttrIntegrity, sum[:])
	binary.BigEndian.PutUint16(m.b[2:], uint16(len(m.b)+8-stunwire.HeaderSize))
	var crc [4]byte
	binary.BigEndian.PutUint32(crc[:], crc32.ChecksumIEEE(m.b)^fingerprintXOR)
	m.add(attrFingerprint, crc[:])
	return m.b
}

// check makes a connectivity check of the controlling side.
func check(b []byte, id transaction, local, remote credentials, tie uint64, nominate bool) []byte {
	m := newMessage(b, stunwire.BindingRequest, id)
	m.add(stunwire.AttrUsername, []byte(remote.ufrag+":"+local.ufrag))
	m.add(attrControlling, binary.BigEndian.AppendUint64(nil, tie))
	if nominate {
		m.add(attrUseCandidate, nil)
	}
	const peerReflexive = 110<<24 | 65535<<8 | 255 // RFC 8445 section 7.1.1
	m.add(attrPriority, binary.BigEndian.AppendUint32(nil, peerReflexive))
	return m.seal([]byte(remote.password))
}

// respond makes the success response to a check that came from from.
func respond(b []byte, id transaction, from netip.AddrPort, password string) []byte {
	m := newMessage(b, stunwire.BindingSuccess, id)
	value := []byte{0, 1, 0, 0}
	binary.BigEndian.PutUint16(value[2:], from.Port()^stunwire.Cookie>>16)
	ip := from.Addr().Unmap().AsSlice()
	if len(ip) == 16 {
		value[1] = 2
	}
	for i, x := range ip {
		value = append(value, x^m.b[4+i])
	}
	m.add(attrXORMapped, value)
	return m.seal([]byte(password))
}

// heard is a STUN message that may be believed.
type heard struct {
	id       transaction
	response bool
}

// listen reads a datagram that may be a check of the far end or the response to one of ours. It is believed only when
// it is signed with the password of its receiver (RFC 8445 section 7.2.2).
func listen(p []byte, local, remote credentials) (h heard, ok bool) {
	m, fault := stunwire.Parse(p)
	if fault != stunwire.OK || !m.Signed() {
		return h, false
	}
	copy(h.id[:], p[8:])
	switch m.Type {
	case stunwire.BindingRequest:
		if !hmac.Equal(m.Username, []byte(local.ufrag+":"+remote.ufrag)) {
			return h, false
		}
		return h, stunwire.CheckIntegrity(p, m, []byte(local.password))
	case stunwire.BindingSuccess:
		h.response = true
		return h, stunwire.CheckIntegrity(p, m, []byte(remote.password))
	}
	return h, false
}
