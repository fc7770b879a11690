package transport

import (
	"crypto/hmac"
	"encoding/binary"
)

const (
	rtcpHeader = 8       // common header and sender SSRC, which stay in clear
	indexWord  = 4       // E flag and SRTCP index
	encrypted  = 1 << 31 // the E flag, RFC 3711 §3.4
	maxSenders = 16      // SSRCs that one peer sends RTCP from
	maxIndex   = 1<<31 - 1
)

// openRTCP decrypts the SRTCP packet p in place and returns the RTCP inside and its index. ok is false if p is
// malformed, not encrypted, or not from the peer; p may be spoilt then. Nothing is remembered: whether the index is
// new is asked afterwards.
func (c *crypt) openRTCP(p []byte) (plain []byte, index uint32, ok bool) {
	if len(p) < rtcpHeader+c.tag()+indexWord || p[0]>>6 != 2 {
		return nil, 0, false
	}
	ssrc := binary.BigEndian.Uint32(p[4:])
	if c.aead != nil {
		end := len(p) - indexWord
		word := binary.BigEndian.Uint32(p[end:])
		if word&encrypted == 0 {
			return nil, 0, false
		}
		index = word &^ encrypted
		c.nonce(ssrc, 0, index) // RFC 7714 §9.1
		copy(c.aad[:], p[:rtcpHeader])
		copy(c.aad[rtcpHeader:], p[end:])
		plain, err := c.aead.Open(p[rtcpHeader:rtcpHeader], c.iv[:gcmSaltSize], p[rtcpHeader:end], c.aad[:])
		if err != nil {
			return nil, 0, false
		}
		return p[:rtcpHeader+len(plain)], index, true
	}
	at := len(p) - cmTag
	c.mac.Reset()
	c.mac.Write(p[:at])
	if !hmac.Equal(c.mac.Sum(c.sum[:0])[:cmTag], p[at:]) {
		return nil, 0, false
	}
	end := at - indexWord
	word := binary.BigEndian.Uint32(p[end:])
	if word&encrypted == 0 {
		return nil, 0, false
	}
	index = word &^ encrypted
	c.counter(ssrc, uint64(index))
	c.stream(p[rtcpHeader:end], p[rtcpHeader:end])
	return p[:end], index, true
}

// sealRTCP encrypts the compound packet p[:n] in place and puts index word and tag behind it. p has room for them.
func (c *crypt) sealRTCP(p []byte, n int, index uint32) int {
	ssrc := binary.BigEndian.Uint32(p[4:])
	binary.BigEndian.PutUint32(c.word[:], encrypted|index)
	if c.aead != nil {
		c.nonce(ssrc, 0, index)
		copy(c.aad[:], p[:rtcpHeader])
		copy(c.aad[rtcpHeader:], c.word[:])
		end := rtcpHeader + len(c.aead.Seal(p[rtcpHeader:rtcpHeader], c.iv[:gcmSaltSize], p[rtcpHeader:n], c.aad[:]))
		return end + copy(p[end:], c.word[:])
	}
	c.counter(ssrc, uint64(index))
	c.stream(p[rtcpHeader:n], p[rtcpHeader:n])
	end := n + copy(p[n:], c.word[:])
	c.mac.Reset()
	c.mac.Write(p[:end])
	return end + copy(p[end:end+cmTag], c.mac.Sum(c.sum[:0]))
}

// window remembers which of the last 64 SRTCP indices of one sender were seen, RFC 3711 §3.3.2.
type window struct {
	ssrc   uint32
	newest uint32
	seen   uint64 // bit i: newest-i
}

// take says whether index is new, and remembers it.
func (w *window) take(index uint32) bool {
	switch {
	case w.seen == 0:
		w.newest, w.seen = index, 1
	case index > w.newest:
		w.seen = w.seen<<(index-w.newest) | 1
		w.newest = index
	default:
		back := w.newest - index
		if back >= 64 || w.seen&(1<<back) != 0 {
			return false
		}
		w.seen |= 1 << back
	}
	return true
}

// senders are the replay windows of a peer. An SSRC is entered only with a packet whose tag was right.
type senders struct {
	windows [maxSenders]window
	n       int
}

func (s *senders) take(ssrc, index uint32) Drop {
	for i := range s.windows[:s.n] {
		if s.windows[i].ssrc != ssrc {
			continue
		}
		if s.windows[i].take(index) {
			return Kept
		}
		return DropReplay
	}
	if s.n == maxSenders {
		return DropSenders
	}
	s.windows[s.n].ssrc = ssrc
	s.windows[s.n].take(index)
	s.n++
	return Kept
}

// newest says whether nothing later than index has come from ssrc.
func (s *senders) newest(ssrc, index uint32) bool {
	for i := range s.windows[:s.n] {
		if s.windows[i].ssrc == ssrc {
			return s.windows[i].newest == index
		}
	}
	return false
}

// senderOf is the SSRC in the clear header.
func senderOf(p []byte) uint32 { return binary.BigEndian.Uint32(p[4:]) }
