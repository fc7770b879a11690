package stunwire

import (
	"encoding/binary"
	"net/netip"
)

// Remap puts the address to into the XOR-MAPPED-ADDRESS of p, a Binding success that was signed with sign's key, and
// signs it anew. It is false, and p is as it was, if p is no such answer or to is of the other family.
func Remap(p []byte, to netip.AddrPort, sign *Signer) bool {
	m, fault := Parse(p)
	if fault != OK || m.Type != BindingSuccess || !sign.Verify(p, m.integrity) {
		return false
	}
	ip := to.Addr().AsSlice()
	address := 0
	for at := HeaderSize; at < len(p); {
		length := int(binary.BigEndian.Uint16(p[at+2:]))
		if binary.BigEndian.Uint16(p[at:]) == attrXORMappedAddress && length == 4+len(ip) {
			address = at + attrHeaderSize
		}
		at += attrHeaderSize + (length+3)&^3
	}
	if address == 0 {
		return false
	}
	binary.BigEndian.PutUint16(p[address+2:], to.Port()^Cookie>>16)
	for i, b := range ip {
		p[address+4+i] = b ^ p[4+i]
	}
	copy(p[m.integrity+attrHeaderSize:], sign.Sum(p, m.integrity))
	if mark := m.fingerprint; mark != 0 {
		binary.BigEndian.PutUint32(p[mark+attrHeaderSize:], Fingerprint(p[:mark]))
	}
	return true
}
