package stunwire

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun"
)

func TestRemap(t *testing.T) {
	const password = "a password of the answer"
	sign := NewSigner(password)
	for from, to := range map[string]string{"192.0.0.8:7": "203.0.113.9:50000", "[100::1]:7": "[2001:db8::9]:50000"} {
		at, want := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
		for _, last := range [][]stun.Setter{{stun.Fingerprint}, {}} {
			setters := append([]stun.Setter{
				stun.BindingSuccess, stun.TransactionID, &stun.XORMappedAddress{IP: at.Addr().AsSlice(), Port: int(at.Port())},
				stun.NewShortTermIntegrity(password),
			}, last...)
			m, err := stun.Build(setters...)
			if err != nil {
				t.Fatal(err)
			}
			p := bytes.Clone(m.Raw)
			if !Remap(p, want, sign) {
				t.Fatalf("%v: not remapped", at)
			}
			got, mapped := &stun.Message{Raw: p}, stun.XORMappedAddress{}
			if err := got.Decode(); err != nil {
				t.Fatal(err)
			}
			if err := mapped.GetFrom(got); err != nil || mapped.String() != want.String() {
				t.Errorf("%v is %v, %v", want, mapped, err)
			}
			if err := stun.NewShortTermIntegrity(password).Check(got); err != nil {
				t.Error(err)
			}
			if len(last) > 0 {
				if err := stun.Fingerprint.Check(got); err != nil {
					t.Error(err)
				}
			}
			other := netip.MustParseAddrPort("203.0.113.9:1")
			if want.Addr().Is4() {
				other = netip.MustParseAddrPort("[2001:db8::9]:1")
			}
			for name, refused := range map[string]bool{
				"the other family": Remap(bytes.Clone(m.Raw), other, sign), "another key": Remap(bytes.Clone(m.Raw), want, NewSigner("other")),
				"a part": Remap(bytes.Clone(m.Raw[:30]), want, sign), "nothing": Remap(nil, want, sign),
			} {
				if refused {
					t.Errorf("%s: remapped", name)
				}
			}
		}
	}
}
