// Package stunwire checks STUN messages (RFC 8489), TURN messages and ChannelData (RFC 8656) byte by byte
// before a library parses them. It is the guard of both the UDP socket and the TURN streams.
//
// The library line that we build on has faults that a single malformed message reaches: it reads the family
// of an XOR address before it looks at the length, and computes the size of a stream frame in 16 bits. So
// nothing here is lenient: every length is checked against the bytes that are there, and attributes of known
// size have exactly that size. No function allocates, keeps its input, or panics, whatever the bytes are.
package stunwire

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- MESSAGE-INTEGRITY is HMAC-SHA1 by definition, RFC 8489 section 14.5
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

const (
	// HeaderSize is the size of a STUN header in bytes, RFC 8489 section 5.
	HeaderSize = 20
	// Cookie stands at byte 4 of every STUN message.
	Cookie = 0x2112A442
	// MaxDatagram is the largest datagram, in bytes, that is looked at.
	MaxDatagram = 1500
	// MaxFrame is the largest TURN frame, in bytes and with padding, that is taken from a stream.
	MaxFrame = 2048

	channelHeaderSize = 4
	attrHeaderSize    = 4
	maxAttributes     = 32
	maxPayload        = 1500
	integritySize     = sha1.Size
)

// Message types that the guard knows: method and class, RFC 8489 section 5 and RFC 8656 section 17.
const (
	BindingRequest          = 0x0001
	BindingSuccess          = 0x0101
	AllocateRequest         = 0x0003
	RefreshRequest          = 0x0004
	CreatePermissionRequest = 0x0008
	ChannelBindRequest      = 0x0009
	SendIndication          = 0x0016
	DataIndication          = 0x0017

	// ClassSuccess and ClassError are the class bits of a response: a type has ClassError in it if both of
	// its bits are set.
	ClassSuccess = 0x0100
	ClassError   = 0x0110
)

// Attribute types.
const (
	AttrUsername  = 0x0006
	AttrIntegrity = 0x0008
	AttrErrorCode = 0x0009
	AttrRealm     = 0x0014
	AttrNonce     = 0x0015

	attrMappedAddress     = 0x0001
	attrSourceAddress     = 0x0004
	attrChangedAddress    = 0x0005
	attrUnknownAttributes = 0x000A
	attrChannelNumber     = 0x000C
	attrLifetime          = 0x000D
	attrXORPeerAddress    = 0x0012
	attrData              = 0x0013
	attrXORRelayedAddress = 0x0016
	attrAddressFamily     = 0x0017
	attrEvenPort          = 0x0018
	attrTransport         = 0x0019
	attrDontFragment      = 0x001A
	attrIntegritySHA256   = 0x001C
	attrXORMappedAddress  = 0x0020
	attrReservationToken  = 0x0022
	attrPriority          = 0x0024
	attrUseCandidate      = 0x0025
	attrOldMappedAddress  = 0x8020 // the library reads it as XOR-MAPPED-ADDRESS
	attrSoftware          = 0x8022
	attrAlternateServer   = 0x8023
	attrFingerprint       = 0x8028
	attrControlled        = 0x8029
	attrControlling       = 0x802A
	attrResponseOrigin    = 0x802B
	attrOtherAddress      = 0x802C
)

// Message is what the guard learnt about a STUN message. Its slices alias the message.
type Message struct {
	Type uint16
	// Username, Nonce: the first attribute of that type, nil if absent.
	Username, Nonce []byte
	// Peer is the first XOR-PEER-ADDRESS and Mapped the first XOR-MAPPED-ADDRESS, unmapped; the zero value if absent.
	Peer, Mapped netip.AddrPort
	// Channel is the CHANNEL-NUMBER, 0 if absent.
	Channel uint16
	// Transport is the protocol number of REQUESTED-TRANSPORT, 0 if absent.
	Transport byte
	// integrity and fingerprint are the offsets of the MESSAGE-INTEGRITY and FINGERPRINT attributes, 0 if absent.
	integrity, fingerprint int
}

// Signed says whether the message carries MESSAGE-INTEGRITY; whether it is a good one says CheckIntegrity.
func (m Message) Signed() bool { return m.integrity != 0 }

// IntegrityAt is the offset of the MESSAGE-INTEGRITY attribute, 0 if absent.
func (m Message) IntegrityAt() int { return m.integrity }

// FingerprintAt is the offset of the FINGERPRINT attribute, 0 if absent.
func (m Message) FingerprintAt() int { return m.fingerprint }

// Parse checks that p is exactly one well-formed STUN message. It accepts every method and class: ForMedia and
// ForTURN decide about those.
func Parse(p []byte) (Message, Fault) {
	var m Message
	switch {
	case len(p) < HeaderSize:
		return m, Short
	case p[0] > 3 || binary.BigEndian.Uint32(p[4:8]) != Cookie:
		return m, BadCookie
	}
	size := int(binary.BigEndian.Uint16(p[2:4]))
	if size != len(p)-HeaderSize || size%4 != 0 {
		return m, BadLength
	}
	m.Type = binary.BigEndian.Uint16(p[0:2])

	last := false // FINGERPRINT was seen, nothing may follow
	for at, count := HeaderSize, 0; at < len(p); count++ {
		if len(p)-at < attrHeaderSize || count == maxAttributes {
			return m, BadAttributes
		}
		kind := binary.BigEndian.Uint16(p[at : at+2])
		length := int(binary.BigEndian.Uint16(p[at+2 : at+4]))
		padded := (length + 3) &^ 3
		if padded > len(p)-at-attrHeaderSize {
			return m, BadAttributes
		}
		if last || m.integrity != 0 && kind != attrFingerprint && kind != attrIntegritySHA256 {
			// RFC 8489 section 14.5: what follows MESSAGE-INTEGRITY is not covered by it. The library
			// reads it all the same, so it must not be there.
			return m, BadOrder
		}
		value := p[at+attrHeaderSize : at+attrHeaderSize+length]
		if fault := checkAttribute(kind, value); fault != OK {
			return m, fault
		}
		last = kind == attrFingerprint
		m.note(kind, value, p, at)
		at += attrHeaderSize + padded
	}
	return m, OK
}

// note keeps the attributes that the callers ask for. value has passed checkAttribute.
func (m *Message) note(kind uint16, value, p []byte, at int) {
	switch kind {
	case AttrUsername:
		if m.Username == nil {
			m.Username = value
		}
	case AttrNonce:
		if m.Nonce == nil {
			m.Nonce = value
		}
	case AttrIntegrity:
		m.integrity = at
	case attrFingerprint:
		m.fingerprint = at
	case attrTransport:
		if m.Transport == 0 {
			m.Transport = value[0]
		}
	case attrChannelNumber:
		if m.Channel == 0 {
			m.Channel = binary.BigEndian.Uint16(value)
		}
	case attrXORPeerAddress:
		if !m.Peer.IsValid() {
			m.Peer = xorAddress(value, p)
		}
	case attrXORMappedAddress:
		if !m.Mapped.IsValid() {
			m.Mapped = xorAddress(value, p)
		}
	}
}

// xorAddress decodes an XOR address (RFC 8489 section 14.2) of the message p.
func xorAddress(value, p []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(value[2:4]) ^ Cookie>>16
	if len(value) == 8 {
		var ip [4]byte
		for i := range ip {
			ip[i] = value[4+i] ^ p[4+i]
		}
		return netip.AddrPortFrom(netip.AddrFrom4(ip), port)
	}
	var ip [16]byte
	for i := range ip {
		ip[i] = value[4+i] ^ p[4+i]
	}
	return netip.AddrPortFrom(netip.AddrFrom16(ip).Unmap(), port)
}

// checkAttribute compares the length of a known attribute with the only ones that are right.
func checkAttribute(kind uint16, value []byte) Fault {
	n := len(value)
	var good bool
	switch kind {
	case attrMappedAddress, attrSourceAddress, attrChangedAddress, attrXORPeerAddress, attrXORRelayedAddress,
		attrXORMappedAddress, attrOldMappedAddress, attrAlternateServer, attrResponseOrigin, attrOtherAddress:
		// Shorter ones make the library read behind the end of its buffer and panic.
		if n == 8 && value[1] == 1 && value[0] == 0 || n == 20 && value[1] == 2 && value[0] == 0 {
			return OK
		}
		return BadAddress
	case AttrIntegrity:
		good = n == integritySize
	case attrIntegritySHA256:
		good = n >= 16 && n <= 32 && n%4 == 0
	case attrFingerprint, attrPriority, attrLifetime, attrTransport, attrChannelNumber, attrAddressFamily:
		good = n == 4
	case attrControlled, attrControlling, attrReservationToken:
		good = n == 8
	case attrUseCandidate, attrDontFragment:
		good = n == 0
	case attrEvenPort:
		good = n == 1
	case AttrErrorCode:
		good = n >= 4
	case attrUnknownAttributes:
		good = n%2 == 0
	case AttrUsername:
		good = n <= 513
	case AttrRealm, AttrNonce, attrSoftware:
		good = n <= 763
	case attrData:
		good = n <= maxPayload
	default:
		good = true
	}
	if !good {
		return BadAttributeLength
	}
	return OK
}

// ForMedia says whether m may go to the ICE agents: a Binding request with user name and integrity
// (RFC 8445 section 7.2.2), or a signed Binding success, because the agents of this library line send triggered
// checks even when they are lite. FINGERPRINT is not asked for: some foreign clients leave it out.
func ForMedia(m Message) Fault {
	switch {
	case m.Type != BindingRequest && m.Type != BindingSuccess:
		return BadMethod
	case m.Type == BindingRequest && len(m.Username) == 0:
		return BadUsername
	case !m.Signed():
		return NotSigned
	}
	return OK
}

// ForTURN says whether m may go to the TURN server: the requests that it serves and Send indications, nothing
// else. Only UDP (protocol 17) may be asked for as transport of the relay: the library takes 6 and gives UDP.
func ForTURN(m Message) Fault {
	switch m.Type {
	case BindingRequest:
		if m.Username != nil {
			return BadUsername
		}
	case AllocateRequest:
		if m.Transport != 0 && m.Transport != 17 {
			return BadTransport
		}
	case RefreshRequest, CreatePermissionRequest, ChannelBindRequest, SendIndication:
	default:
		return BadMethod
	}
	return OK
}

// ValidChannel says whether n is a channel number, RFC 8656 section 12. The rest of the older range, up to 0x7FFF,
// is no TURN under RFC 7983. ForTURN does not ask this: a wrong number deserves an answer.
func ValidChannel(n uint16) bool { return n >= 0x4000 && n <= 0x4FFF }

// CheckChannelData checks a datagram or frame that begins with a channel number. The length may leave padding
// over, RFC 8656 section 12.5.
func CheckChannelData(p []byte) Fault {
	if len(p) < channelHeaderSize {
		return Short
	}
	length := int(binary.BigEndian.Uint16(p[2:4]))
	switch {
	case !ValidChannel(binary.BigEndian.Uint16(p[0:2])):
		return BadChannel
	case length > len(p)-channelHeaderSize || length > maxPayload:
		return BadLength
	}
	return OK
}

// FrameHeader is how many bytes of a stream FrameSize wants to see.
const FrameHeader = 8

// FrameSize gives the size, in bytes and with padding, of the TURN frame whose first FrameHeader bytes are in
// header: RFC 8656 section 12.5 for ChannelData, which is padded to four bytes on a stream. Only the first four
// are looked at for ChannelData, which may be a frame of four bytes. The size is never above MaxFrame and never
// below four.
func FrameSize(header []byte) (int, Fault) {
	if len(header) < channelHeaderSize {
		return 0, Short
	}
	length := int(binary.BigEndian.Uint16(header[2:4]))
	switch first := header[0]; {
	case first <= 3:
		if len(header) < FrameHeader {
			return 0, Short
		}
		if binary.BigEndian.Uint32(header[4:8]) != Cookie {
			return 0, BadCookie
		}
		if length%4 != 0 || length+HeaderSize > MaxFrame {
			return 0, BadLength
		}
		return length + HeaderSize, OK
	case ValidChannel(binary.BigEndian.Uint16(header[0:2])):
		if length > maxPayload {
			return 0, BadLength
		}
		return channelHeaderSize + (length+3)&^3, OK
	default:
		return 0, BadChannel
	}
}

// CheckIntegrity says whether the MESSAGE-INTEGRITY of p, from which m was parsed, was made with key (RFC 8489
// section 14.5). It compares in constant time. It allocates, so it is for requests that are to be answered.
func CheckIntegrity(p []byte, m Message, key []byte) bool {
	if m.integrity == 0 || m.integrity+attrHeaderSize+integritySize > len(p) {
		return false
	}
	sum := Integrity(p[:m.integrity], key)
	return hmac.Equal(sum[:], p[m.integrity+attrHeaderSize:m.integrity+attrHeaderSize+integritySize])
}

// Integrity computes the value of the MESSAGE-INTEGRITY attribute that follows message, which has at least a
// header. The length in the header is taken as it has to be, not as it is.
func Integrity(message, key []byte) (sum [integritySize]byte) {
	mac := hmac.New(sha1.New, key)
	var head [4]byte
	copy(head[:2], message[:2])
	binary.BigEndian.PutUint16(head[2:], uint16(len(message)-HeaderSize+attrHeaderSize+integritySize))
	mac.Write(head[:])
	mac.Write(message[4:])
	mac.Sum(sum[:0])
	return sum
}

// Fingerprint is the value of the FINGERPRINT attribute (RFC 8489 section 14.7) that follows message, whose length in the
// header counts it already.
func Fingerprint(message []byte) uint32 { return crc32.ChecksumIEEE(message) ^ 0x5354554E }

// CheckFingerprint says whether the FINGERPRINT attribute that stands at p[at:], as Message.FingerprintAt has it, is
// right. It is false for at that can be none.
func CheckFingerprint(p []byte, at int) bool {
	return at >= HeaderSize && at+attrHeaderSize+4 <= len(p) &&
		binary.BigEndian.Uint32(p[at+attrHeaderSize:]) == Fingerprint(p[:at])
}
