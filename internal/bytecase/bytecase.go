// Package bytecase is the table of byte sequences that break the libraries behind our guards, or would if they were a
// little different: for regression tests of every transport, and as seeds of the fuzz targets. Nothing but tests imports
// it.
package bytecase

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Way is how a case reaches the server. A case may have several.
type Way uint8

// The ways.
const (
	Datagram Way = 1 << iota // UDP, from anybody
	Stream                   // TURN over TCP or TLS, from anybody
	Relayed                  // TURN over UDP, TCP or TLS, from a client that has a relay
	Checked                  // UDP, from the address of a caster that is connected
)

// Case is one entry of the table.
type Case struct {
	Name  string
	Ways  Way
	Bytes []byte
	// Drop is the name under which the UDP socket counts it when it comes as a datagram.
	Drop string
	// Closes says that a stream on which it comes is closed. Otherwise it is dropped and the stream goes on.
	Closes bool
	// Seed says that the corpora of the fuzz targets have it in a file. The others only differ from one of these in a
	// number.
	Seed bool
}

const (
	transaction = "2112a442000102030405060708090a0b"
	zeros       = "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	// tag is room for what authenticates a packet of SRTP.
	tag = "00000000000000000000"
)

// All gives the whole table, in one order always.
func All() []Case {
	list := []Case{
		named("p1 binding success", Datagram|Relayed|Stream, "01010004"+transaction+"00200000", "stun_address"),
		named("p1 mapped address", Datagram|Relayed|Stream, "01010004"+transaction+"00010000", "stun_address"),
		named("p1 relayed address", Datagram|Relayed|Stream, "01030004"+transaction+"00160000", "stun_address"),
		named("p1 address of 8 and family 2", Datagram|Relayed|Stream, "0016000c"+transaction+"001200080002"+"000000000000", "stun_address"),
		named("attribute runs over", Datagram|Stream|Relayed, "00010004"+transaction+"0006ffff", "stun_attributes"),
		named("33 attributes", Datagram|Stream|Relayed, "00010084"+transaction+strings.Repeat("80220000", 33), "stun_attributes"),
		named("relay over tcp", Datagram|Stream|Relayed, "00030008"+transaction+"0019000406000000", "stun_transport"),
		named("data indication", Datagram|Stream|Relayed, "00170000"+transaction, "stun_method"),
		named("fingerprint not last", Datagram|Stream|Relayed, "00010010"+transaction+"8028000400000000"+"8022000400000000", "stun_order"),
		named("lifetime of 3", Datagram|Stream|Relayed, "00040008"+transaction+"000d000300000000", "stun_attribute_length"),
		named("priority of 8", Datagram|Stream|Relayed, "0001000c"+transaction+"002400080000000000000000", "stun_attribute_length"),
		named("error code of 2", Datagram|Stream|Relayed, "01110008"+transaction+"0009000200000000", "stun_attribute_length"),
		named("integrity of 16", Datagram|Stream|Relayed, "00010014"+transaction+"00080010"+zeros[:32], "stun_attribute_length"),
		named("unsigned check", Datagram, "00010008"+transaction+"00060003613a6200", "stun_unsigned"),
		named("channel too high", Datagram, "5000000400000000", "first_byte"),
		named("quic", Datagram, "c3000000010800000000", "first_byte"),
		named("three bytes", Datagram, "000100", "size"),

		named("p5 padding of 255", Checked, "a060000100000001"+"11223344ff", "rtp"),
		named("p5 padding of 0", Checked, "a060000100000001"+"1122334400", "rtp"),
		named("csrc over the end", Checked, "8f60000100000001"+"11223344", "rtp"),
		named("extension over the end", Checked, "9060000100000001"+"11223344bedeffff", "rtp"),
		named("extension leaves no tag", Checked, "9060000100000001"+"11223344bede000100000000"+"000000000000000000", "rtp"),
		named("rtcp first packet over", Checked, "80c9000211223344"+"80000001"+tag, "rtcp"),
		named("rtcp without tag", Checked, "80c8000111223344"+"80000001", "rtcp"),
		named("dtls record runs over", Checked, "16feff0000000000000000000501000000", "dtls"),
		named("dtls record of nothing", Checked, "16feff00000000000000000000", "dtls"),
		named("dtls heartbeat", Checked, "18feff0000000000000000000401000000", "dtls"),
		named("tls in a datagram", Checked, "1603010000000000000000000401000000", "dtls"),
	}
	return append(append(list, addresses()...), wraps()...)
}

func named(name string, ways Way, bytes, drop string) Case {
	return Case{Name: name, Ways: ways, Bytes: unhex(bytes), Drop: drop, Seed: true}
}

// addresses are P1: Send indications whose peer address is too short or too long. The library reads behind it, and
// panics when the message fills its allocation: those of 32, 48, 64 and 80 bytes do.
func addresses() (list []Case) {
	for _, total := range []int{32, 48, 64, 80} {
		for length := range 20 {
			padded := (length + 3) &^ 3
			data := total - 28 - padded
			if length == 8 || data < 0 {
				continue
			}
			list = append(list, Case{
				Name: fmt.Sprintf("p1 send indication of %d, address of %d", total, length), Ways: Datagram | Stream | Relayed,
				Bytes: unhex(fmt.Sprintf("0016%04x%s0013%04x%s0012%04x%s", total-20, transaction, data,
					strings.Repeat("00", data), length, strings.Repeat("00", padded))),
				Drop: "stun_address", Seed: length == 0,
			})
		}
	}
	return list
}

// wraps are P9: lengths that come to nothing in 16 bits, and their neighbours.
func wraps() (list []Case) {
	add := func(name string, at int, bytes, drop string, seed bool) {
		p := unhex(bytes)
		binary.BigEndian.PutUint16(p[2:], uint16(at))
		list = append(list, Case{
			Name: fmt.Sprintf("p9 %s of %04x", name, at), Ways: Datagram | Stream, Bytes: p, Drop: drop, Closes: true, Seed: seed,
		})
	}
	for n := 0xffec; n <= 0xffff; n++ {
		add("stun", n, "00010000"+transaction, "stun_length", n == 0xffec || n == 0xfffc)
	}
	for n := 0xfff9; n <= 0xffff; n++ {
		add("channel", n, "400000000000000000", "channel", n == 0xfffc)
	}
	add("stun", 2, "00010000"+transaction+"0000", "stun_length", true)
	add("stun", 2032, "00010000"+transaction, "stun_length", true)
	add("channel", 1501, "400000000000000000", "channel", true)
	list = append(list, Case{
		Name: "stun without its cookie", Ways: Datagram | Stream, Bytes: unhex("00010000" + zeros[:32]), Drop: "stun_cookie",
		Closes: true, Seed: true,
	})
	return list
}

// unhex is for constants.
func unhex(s string) []byte {
	p, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return p
}
