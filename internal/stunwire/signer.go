package stunwire

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- MESSAGE-INTEGRITY is HMAC-SHA1 by definition, RFC 8489 section 14.5
	"encoding/binary"
	"hash"
)

// Signer computes MESSAGE-INTEGRITY with one key, whose half of the work is done once. It allocates nothing after
// its first use, and is for one goroutine at a time.
type Signer struct {
	mac  hash.Hash
	head [4]byte
	out  [integritySize]byte
}

// NewSigner makes one for a short-term password (RFC 8489 section 9.1).
func NewSigner(password string) *Signer {
	return &Signer{mac: hmac.New(sha1.New, []byte(password))}
}

// Sum is the value of the attribute that stands at p[at:], good until the next call. The length in the header is
// taken as it has to be.
func (s *Signer) Sum(p []byte, at int) []byte {
	s.mac.Reset()
	copy(s.head[:], p[:2])
	binary.BigEndian.PutUint16(s.head[2:], uint16(at-HeaderSize+attrHeaderSize+integritySize))
	s.mac.Write(s.head[:])
	s.mac.Write(p[4:at])
	return s.mac.Sum(s.out[:0])
}

// Verify says whether the attribute that stands at p[at:], as Message.IntegrityAt has it, was made with the key. It
// compares in constant time, and is false for at that can be none.
func (s *Signer) Verify(p []byte, at int) bool {
	if at < HeaderSize || at+attrHeaderSize+integritySize > len(p) {
		return false
	}
	value := p[at+attrHeaderSize:]
	return hmac.Equal(s.Sum(p, at), value[:integritySize])
}
