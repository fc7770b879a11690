package transport

import "encoding/binary"

// DTLS record and handshake constants, RFC 6347 §4.1 and §4.2.2.
const (
	recordHeader    = 13
	handshakeHeader = 12
	recordAlert     = 21
	recordHandshake = 22
	clientHello     = 1
	maxHello        = 1 << 14 // bytes; Chromium's with a post-quantum share has about 1,700
)

// isHello says whether p begins a handshake: its first record is a handshake record of epoch 0 and holds a whole
// fragment of a ClientHello. Only that is worth a goroutine. It allocates nothing.
func isHello(p []byte) bool {
	if len(p) < recordHeader+handshakeHeader || p[0] != recordHandshake || p[1] != 0xFE || p[2] != 0xFF && p[2] != 0xFD {
		return false
	}
	if binary.BigEndian.Uint16(p[3:]) != 0 { // epoch
		return false
	}
	record := int(binary.BigEndian.Uint16(p[11:]))
	if record < handshakeHeader || record > len(p)-recordHeader {
		return false
	}
	body := p[recordHeader : recordHeader+record]
	total := int(binary.BigEndian.Uint32(body) & 0xFFFFFF)
	offset := int(binary.BigEndian.Uint32(body[5:]) & 0xFFFFFF)
	length := int(binary.BigEndian.Uint32(body[8:]) & 0xFFFFFF)
	return body[0] == clientHello && total <= maxHello && length <= len(body)-handshakeHeader && offset+length <= total
}
