package transport

import (
	"crypto/sha1" // #nosec G505 -- MESSAGE-INTEGRITY is HMAC-SHA1 by definition, RFC 8489 section 14.5
	"encoding/binary"
	"net/netip"

	"castcode/internal/stunwire"
)

const (
	attrXORMappedAddress = 0x0020
	attrPriority         = 0x0024
	attrUseCandidate     = 0x0025
	attrFingerprint      = 0x8028
	attrControlled       = 0x8029

	attributeHeader = 4
	maxAnswer       = stunwire.HeaderSize + 24 + 24 + 8
)

// check is a connectivity check: a Binding request as RFC 8445 section 7.1 has it, well-formed but not yet believed.
// Its slices alias the datagram.
type check struct {
	local, remote []byte // the two sides of USERNAME, ours first
	integrity     int    // where MESSAGE-INTEGRITY begins
	fingerprint   int    // where FINGERPRINT begins, 0 without
	priority      uint32
	nominate      bool // USE-CANDIDATE
	controlled    bool // the peer takes itself for the controlled side
}

// parseCheck accepts exactly one Binding request with USERNAME of two parts and MESSAGE-INTEGRITY. It allocates
// nothing.
func parseCheck(p []byte) (check, bool) {
	m, fault := stunwire.Parse(p)
	if fault != stunwire.OK || m.Type != stunwire.BindingRequest || stunwire.ForMedia(m) != stunwire.OK {
		return check{}, false
	}
	var c check
	for i, b := range m.Username {
		if b == ':' {
			c.local, c.remote = m.Username[:i], m.Username[i+1:]
			break
		}
	}
	if len(c.local) == 0 || len(c.remote) == 0 {
		return check{}, false
	}
	// The guard above has checked that every attribute lies inside p and has its proper size.
	for at := stunwire.HeaderSize; at+attributeHeader <= len(p); {
		length := int(binary.BigEndian.Uint16(p[at+2:]))
		switch binary.BigEndian.Uint16(p[at:]) {
		case stunwire.AttrIntegrity:
			c.integrity = at
		case attrFingerprint:
			c.fingerprint = at
		case attrPriority:
			c.priority = binary.BigEndian.Uint32(p[at+attributeHeader:])
		case attrUseCandidate:
			c.nominate = true
		case attrControlled:
			c.controlled = true
		}
		at += attributeHeader + (length+3)&^3
	}
	return c, true
}

// signer verifies and answers checks with one password.
type signer struct{ *stunwire.Signer }

func newSigner(password string) *signer { return &signer{stunwire.NewSigner(password)} }

// verify says whether p, from which c was parsed, was signed with the key, and whether its FINGERPRINT, if it has
// one, is right.
func (s *signer) verify(p []byte, c check) bool {
	if c.fingerprint != 0 && !stunwire.CheckFingerprint(p, c.fingerprint) {
		return false
	}
	return s.Verify(p, c.integrity)
}

// answer writes the success response to request, which came from from, into dst, which has room for maxAnswer
// bytes. The answer is never longer than the request: FINGERPRINT is left out where it would be, and n is 0 where
// even that does not help.
func (s *signer) answer(dst, request []byte, from netip.AddrPort) (n int) {
	const be = stunwire.HeaderSize
	address := 8
	if from.Addr().Is6() {
		address = 20
	}
	n = be + attributeHeader + address + attributeHeader + sha1.Size
	if n > len(request) || n+attributeHeader+4 > len(dst) {
		return 0
	}
	binary.BigEndian.PutUint16(dst, stunwire.BindingSuccess)
	copy(dst[4:be], request[4:be]) // cookie and transaction id
	p := dst[be:]
	binary.BigEndian.PutUint16(p, attrXORMappedAddress)
	binary.BigEndian.PutUint16(p[2:], uint16(address))
	p[4], p[5] = 0, 1
	binary.BigEndian.PutUint16(p[6:], from.Port()^stunwire.Cookie>>16)
	ip := from.Addr().As16()
	raw := ip[12:]
	if address == 20 {
		p[5], raw = 2, ip[:]
	}
	for i, b := range raw {
		p[8+i] = b ^ dst[4+i]
	}
	at := be + attributeHeader + address
	binary.BigEndian.PutUint16(dst[at:], stunwire.AttrIntegrity)
	binary.BigEndian.PutUint16(dst[at+2:], sha1.Size)
	copy(dst[at+attributeHeader:], s.Sum(dst, at))
	binary.BigEndian.PutUint16(dst[2:], uint16(n-be))
	if n+attributeHeader+4 > len(request) {
		return n
	}
	binary.BigEndian.PutUint16(dst[2:], uint16(n-be+attributeHeader+4))
	binary.BigEndian.PutUint16(dst[n:], attrFingerprint)
	binary.BigEndian.PutUint16(dst[n+2:], 4)
	binary.BigEndian.PutUint32(dst[n+attributeHeader:], stunwire.Fingerprint(dst[:n]))
	return n + attributeHeader + 4
}
