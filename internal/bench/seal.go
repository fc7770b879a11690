//go:build linux

package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// The header that every packet wears: 12 bytes, and an extension of one-byte elements (RFC 8285) with mid,
// abs-send-time and transport-wide sequence number, as viewers negotiate it.
const (
	headerSize = 12 + 4 + 12
	tagSize    = 16
	keySize    = 16
	saltSize   = 12
	payloadVP8 = 96
)

var extension = [16]byte{0xBE, 0xDE, 0, 3, 0x10, '0', 0x22, 0, 0, 0, 0x31, 0, 0, 0, 0, 0}

// sealer protects the packets of one viewer with AEAD_AES_128_GCM, RFC 7714.
type sealer struct {
	aead  cipher.AEAD
	salt  [saltSize]byte
	ssrc  uint32
	rolls uint32 // rollover counter
	last  uint16
	nonce [saltSize]byte
}

// newSealer derives the session keys from a master key and salt.
func newSealer(key, salt []byte, ssrc uint32) (*sealer, error) {
	block, err := aes.NewCipher(derive(key, salt, 0, keySize))
	if err != nil {
		return nil, err
	}
	s := &sealer{ssrc: ssrc}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	copy(s.salt[:], derive(key, salt, 2, saltSize))
	return s, nil
}

// derive is the key derivation of RFC 3711 section 4.3, with a rate of zero and the label given.
func derive(key, salt []byte, label byte, n int) []byte {
	var counter [aes.BlockSize]byte
	copy(counter[:], salt)
	counter[7] ^= label
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // keySize is a size of AES
	}
	out := make([]byte, n)
	cipher.NewCTR(block, counter[:]).XORKeyStream(out, out)
	return out
}

// seal writes the protected packet to dst, which has the room, and returns its size. plain is the payload with its
// padding; all packets of a frame have the same.
func (s *sealer) seal(dst []byte, p *Packet, plain []byte) int {
	if p.Seq < s.last && s.last-p.Seq > 1<<15 {
		s.rolls++
	}
	s.last = p.Seq
	dst[0], dst[1] = 0x90, payloadVP8
	if len(plain) > len(p.Payload) {
		dst[0] |= 0x20
	}
	if p.Marker {
		dst[1] |= 0x80
	}
	binary.BigEndian.PutUint16(dst[2:], p.Seq)
	binary.BigEndian.PutUint32(dst[4:], p.Timestamp)
	binary.BigEndian.PutUint32(dst[8:], s.ssrc)
	copy(dst[12:headerSize], extension[:])
	binary.BigEndian.PutUint16(dst[12+11:], p.Seq)

	binary.BigEndian.PutUint16(s.nonce[0:], 0)
	binary.BigEndian.PutUint32(s.nonce[2:], s.ssrc)
	binary.BigEndian.PutUint32(s.nonce[6:], s.rolls)
	binary.BigEndian.PutUint16(s.nonce[10:], p.Seq)
	for i := range s.nonce {
		s.nonce[i] ^= s.salt[i]
	}
	s.aead.Seal(dst[headerSize:headerSize], s.nonce[:], plain, dst[:headerSize])
	return headerSize + len(plain) + tagSize
}

// padded is a frame whose payloads have been padded to one size (RFC 3550 section 5.1), so that they make one run.
type padded struct {
	buf    []byte
	plains [][]byte
}

func (q *padded) load(f *Frame) {
	q.plains = q.plains[:0]
	if need := len(f.Packets) * f.Largest; cap(q.buf) < need {
		q.buf = make([]byte, 2*need)
	}
	at := 0
	for i := range f.Packets {
		slot := q.buf[at : at+f.Largest : at+f.Largest]
		n := copy(slot, f.Packets[i].Payload)
		for j := n; j < len(slot); j++ {
			slot[j] = byte(len(slot) - n)
		}
		q.plains = append(q.plains, slot)
		at += f.Largest
	}
}
