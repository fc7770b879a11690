package udp

import (
	"encoding/binary"

	"castcode/internal/stunwire"
)

// verdict is what the guard says about one datagram.
type verdict struct {
	drop        drop           // passed, or the reason
	fault       stunwire.Fault // when drop is dropSTUN
	kind        Kind
	ssrc        uint32 // of an RTP packet, or the sender of an RTCP packet
	handshake   int    // bytes of DTLS records with handshake messages
	user        []byte // USERNAME of a check; aliases the datagram
	integrity   int    // where the signature of a check begins
	fingerprint int    // where the FINGERPRINT of a check begins, 0 without
}

const (
	rtpHeader  = 12
	rtcpHeader = 8
	// minTag is the shortest authentication tag that we negotiate, that of AES_CM_128_HMAC_SHA1_80.
	minTag = 10
	// srtcpTrailer: the index and its E bit (RFC 3711 section 3.4) before the tag.
	srtcpTrailer = 4

	dtlsHeader       = 13
	dtlsHandshake    = 22
	dtlsMinType      = 20 // change cipher spec
	dtlsMaxType      = 23 // application data
	dtlsVersion10    = 0xFEFF
	dtlsVersion12    = 0xFEFD
	maxDTLSRecordLen = 1<<14 + 256
)

// inspect decides by the bytes alone whether p may reach a library, and which. It sees what is in clear: the
// inside of SRTP, padding among it, is for those who decrypt. It does not allocate and keeps nothing of p.
func inspect(p []byte) verdict {
	if len(p) < 4 || len(p) > stunwire.MaxDatagram {
		return verdict{drop: dropSize}
	}
	switch first := p[0]; { // RFC 7983 section 7
	case first <= 3:
		return inspectSTUN(p)
	case first >= 20 && first <= 63:
		return inspectDTLS(p)
	case first >= 64 && first <= 79:
		if stunwire.CheckChannelData(p) != stunwire.OK {
			return verdict{drop: dropChannel}
		}
		return verdict{kind: kindChannel}
	case first >= 128 && first <= 191:
		if p[1] >= 192 && p[1] <= 223 { // RFC 5761 section 4
			return inspectRTCP(p)
		}
		return inspectRTP(p)
	}
	return verdict{drop: dropFirstByte}
}

// inspectSTUN sends connectivity checks and their answers to the ICE agents and all others to TURN.
func inspectSTUN(p []byte) verdict {
	m, fault := stunwire.Parse(p)
	if fault != stunwire.OK {
		return verdict{drop: dropSTUN, fault: fault}
	}
	v := verdict{kind: kindTURN}
	switch {
	case m.Type == stunwire.BindingRequest && m.Username != nil:
		v.kind, v.fault, v.user = KindCheck, stunwire.ForMedia(m), m.Username
		v.integrity, v.fingerprint = m.IntegrityAt(), m.FingerprintAt()
	case m.Type == stunwire.BindingSuccess:
		v.kind, v.fault = KindAnswer, stunwire.ForMedia(m)
	default:
		v.fault = stunwire.ForTURN(m)
	}
	if v.fault != stunwire.OK {
		v.drop = dropSTUN
	}
	return v
}

// inspectDTLS walks the records of a datagram, RFC 6347 section 4.1. The whole datagram must be records.
func inspectDTLS(p []byte) verdict {
	v := verdict{kind: KindDTLS}
	for len(p) > 0 {
		if len(p) < dtlsHeader || p[0] < dtlsMinType || p[0] > dtlsMaxType {
			return verdict{drop: dropDTLS}
		}
		version := binary.BigEndian.Uint16(p[1:3])
		length := int(binary.BigEndian.Uint16(p[11:13]))
		if version != dtlsVersion10 && version != dtlsVersion12 ||
			length == 0 || length > maxDTLSRecordLen || length > len(p)-dtlsHeader {
			return verdict{drop: dropDTLS}
		}
		if p[0] == dtlsHandshake {
			v.handshake += dtlsHeader + length
		}
		p = p[dtlsHeader+length:]
	}
	return v
}

// inspectRTP: RFC 3550 section 5.1 and 5.3.1, and room for the tag of RFC 3711.
func inspectRTP(p []byte) verdict {
	n := rtpHeader + 4*int(p[0]&0x0F)
	if p[0]&0x10 != 0 { // a header extension follows
		if len(p) < n+4 {
			return verdict{drop: dropRTP}
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(p[n+2:n+4]))
	}
	if len(p) < n+minTag {
		return verdict{drop: dropRTP}
	}
	return verdict{kind: KindRTP, ssrc: binary.BigEndian.Uint32(p[8:12])}
}

// inspectRTCP: the header of the first packet of a compound is in clear, RFC 3711 section 3.4; that packet must
// end before the trailer.
func inspectRTCP(p []byte) verdict {
	room := len(p) - srtcpTrailer - minTag
	if room < rtcpHeader || 4*(int(binary.BigEndian.Uint16(p[2:4]))+1) > room {
		return verdict{drop: dropRTCP}
	}
	return verdict{kind: KindRTCP, ssrc: binary.BigEndian.Uint32(p[4:8])}
}
