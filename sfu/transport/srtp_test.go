package transport

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v2"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 3711 appendix B.3: key derivation.
func TestDerive(t *testing.T) {
	key := [keySize]byte(unhex(t, "E1F97A0D3E018BE0D64FA32C06DE4139"))
	salt := [saltSize]byte(unhex(t, "0EC675AD498AFEEBB6960B3AABE6"))
	for _, c := range []struct {
		label byte
		want  string
	}{
		{labelKey, "C61E7A93744F39EE10734AFE3FF7A087"},
		{labelSalt, "30CBBC08863D8C85D49DB34A9AE1"},
		{labelMAC, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
	} {
		want := unhex(t, c.want)
		if got := derive(&key, &salt, c.label, len(want)); !bytes.Equal(got, want) {
			t.Errorf("label %d: %X, want %X", c.label, got, want)
		}
	}
}

// RFC 3711 appendix B.2: the key stream of AES-CM, whose SSRC and index are 0.
func TestKeyStream(t *testing.T) {
	c := newCM(unhex(t, "2B7E151628AED2A6ABF7158809CF4F3C"), unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"), make([]byte, 20))
	c.counter(0, 0)
	out := make([]byte, 0xFF02*16)
	c.stream(out, out)
	for at, want := range map[int]string{
		0: "E03EAD0935C95E80E166B16DD92B4EB4", 1: "D23513162B02D0F72A43A2FE4A5F97AB", 2: "41E95B3BB0A2E8DD477901E4FCA894C0",
		0xFEFF: "EC8CDF7398607CB0F2D21675EA9EA1E4", 0xFF00: "362B7C3C6773516318A077D7FC5073AE", 0xFF01: "6A2CC3787889374FBEB4C81B17BA6C44",
	} {
		if got := out[at*16:][:16]; !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("block %X: %X, want %s", at, got, want)
		}
	}
}

// RFC 7714 section 16.1.1 (SRTP) and 17.1 (SRTCP), AES-128.
const (
	gcmKey  = "000102030405060708090a0b0c0d0e0f"
	gcmSalt = "517569642070726f2071756f"
)

func TestSealGCMAsInTheRFC(t *testing.T) {
	c := newGCM(unhex(t, gcmKey), unhex(t, gcmSalt))
	packet := unhex(t, "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573")
	want := unhex(t, "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce")
	p := make([]byte, 200)
	copy(p, packet[:12])
	if n := c.sealRTP(p, 12, packet[12:], 0x5501a0b2, 0xf17b); !bytes.Equal(p[:n], want) {
		t.Errorf("got  %x\nwant %x", p[:n], want)
	}
}

func TestSealAndOpenReportsAsInTheRFC(t *testing.T) {
	c := newGCM(unhex(t, gcmKey), unhex(t, gcmSalt))
	plain := unhex(t, "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef")
	want := unhex(t, "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4")
	p := make([]byte, 200)
	n := c.sealRTCP(p, copy(p, plain), 0x5d4)
	if !bytes.Equal(p[:n], want) {
		t.Errorf("got  %x\nwant %x", p[:n], want)
	}
	got, index, ok := c.openRTCP(p[:n])
	if !ok || index != 0x5d4 || !bytes.Equal(got, plain) {
		t.Errorf("opened: %x, index %x, %v", got, index, ok)
	}
}

var bothProfiles = []struct {
	name string
	gcm  bool
	pion srtp.ProtectionProfile
}{
	{"GCM", true, srtp.ProtectionProfileAeadAes128Gcm},
	{"CM", false, srtp.ProtectionProfileAes128CmHmacSha1_80},
}

func testKeying(gcm bool) *keying {
	k := &keying{gcm: gcm}
	for i := range k.localKey {
		k.localKey[i], k.remoteKey[i] = byte(i*7+1), byte(i*11+3)
	}
	for i := range k.localSalt[:k.saltSize()] {
		k.localSalt[i], k.remoteSalt[i] = byte(i*13+5), byte(i*17+9)
	}
	return k
}

// What we seal pion opens, through rollovers, for every size around the blocks.
func TestPionOpensWhatWeSeal(t *testing.T) {
	for _, profile := range bothProfiles {
		for _, start := range starts {
			k := testKeying(profile.gcm)
			other, err := srtp.CreateContext(k.localKey[:], k.localSalt[:k.saltSize()], profile.pion)
			if err != nil {
				t.Fatal(err)
			}
			c := newCrypt(k.gcm, &k.localKey, &k.localSalt, 0)
			stream := stream{ssrc: 0xCAFEBABE}
			p, body := make([]byte, 1500), make([]byte, 1200)
			for i := range 3000 {
				seq := start + uint16(i*37)
				index, ok := stream.index(seq)
				if !ok || stream.take(index, false) != Kept {
					t.Fatalf("%s: start %d: packet %d is refused", profile.name, start, i)
				}
				payload := body[:i%len(body)]
				for j := range payload {
					payload[j] = byte(i + j)
				}
				header := rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: 5, SSRC: stream.ssrc}
				at, err := header.MarshalTo(p)
				if err != nil {
					t.Fatal(err)
				}
				n := c.sealRTP(p, at, payload, stream.ssrc, index)
				plain, err := other.DecryptRTP(nil, p[:n], nil)
				if err != nil || !bytes.Equal(plain[at:], payload) {
					t.Fatalf("%s: start %d, packet %d (%d): %v", profile.name, start, i, seq, err)
				}
			}
		}
	}
}

func TestReportsBothWaysWithPion(t *testing.T) {
	for _, profile := range bothProfiles {
		k := testKeying(profile.gcm)
		salt := k.saltSize()
		ours, err := srtp.CreateContext(k.localKey[:], k.localSalt[:salt], profile.pion)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := srtp.CreateContext(k.remoteKey[:], k.remoteSalt[:salt], profile.pion)
		if err != nil {
			t.Fatal(err)
		}
		seal := newCrypt(k.gcm, &k.localKey, &k.localSalt, labelsOfRTCP)
		open := newCrypt(k.gcm, &k.remoteKey, &k.remoteSalt, labelsOfRTCP)
		for i := range 100 {
			plain := append([]byte{0x80, 201, 0, 1, 1, 2, 3, 4}, make([]byte, 4*i)...)
			p := make([]byte, 1500)
			n := seal.sealRTCP(p, copy(p, plain), uint32(i))
			if got, err := ours.DecryptRTCP(nil, p[:n], nil); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%s: pion opens %d: %x %v", profile.name, i, got, err)
			}
			sealed, err := theirs.EncryptRTCP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			for at := range sealed { // every bit counts
				bad := bytes.Clone(sealed)
				bad[at] ^= 1
				if _, _, ok := open.openRTCP(bad); ok {
					t.Fatalf("%s: byte %d of %d was changed unnoticed", profile.name, at, len(sealed))
				}
			}
			if got, index, ok := open.openRTCP(sealed); !ok || !bytes.Equal(got, plain) || index != uint32(i+1) {
				t.Fatalf("%s: we open %d: %x %d %v", profile.name, i, got, index, ok)
			}
		}
	}
}

func TestReplayWindow(t *testing.T) {
	var s senders
	for _, c := range []struct {
		ssrc, index uint32
		want        Drop
	}{
		{1, 100, Kept},
		{1, 100, DropReplay},
		{1, 99, Kept},
		{1, 99, DropReplay},
		{1, 37, Kept},
		{1, 36, DropReplay}, // 64 behind
		{1, 1 << 20, Kept},
		{1, 100, DropReplay},
		{1, 1<<20 - 63, Kept},
		{1, 1<<20 - 64, DropReplay},
		{2, 100, Kept}, // another sender
	} {
		if got := s.take(c.ssrc, c.index); got != c.want {
			t.Errorf("sender %d, index %d: %s, want %s", c.ssrc, c.index, got, c.want)
		}
	}
	for i := range uint32(maxSenders - 2) {
		if got := s.take(10+i, 1); got != Kept {
			t.Errorf("sender %d: %s", i+2, got)
		}
	}
	if got := s.take(1000, 1); got != DropSenders {
		t.Errorf("one sender too many: %s", got)
	}
}
