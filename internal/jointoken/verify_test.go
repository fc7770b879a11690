package jointoken

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// keyFile makes a key file with a fresh key.
func keyFile(t *testing.T, algorithm string) (data []byte, kid string) {
	t.Helper()
	data, kid, err := AddKey(nil, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return data, kid
}

func keysOf(t *testing.T, data []byte, algorithm string) *Keys {
	t.Helper()
	k, err := ParseKeys(data, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func claims() Claims {
	return Claims{ID: "t1", Room: "hall", Role: Viewer, Name: "Ann", Expires: now.Add(time.Hour)}
}

func TestTokensGoThere(t *testing.T) {
	for _, algorithm := range []string{HS256, EdDSA} {
		data, _ := keyFile(t, algorithm)
		k := keysOf(t, data, algorithm)
		want := Claims{
			ID: "t1", Room: "hall", Role: Caster, Name: "Ann", Viewers: 5, Bitrate: 2_000_000, Width: 1280, Height: 720,
			Until: now.Add(2 * time.Hour), Expires: now.Add(time.Hour),
		}
		text, err := k.Sign(want, "castcode", "here", now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := NewVerifier("castcode", "here", k).Verify(text, now)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		got.Until, got.Expires = got.Until.UTC(), got.Expires.UTC()
		if got != want {
			t.Errorf("%s: %+v, want %+v", algorithm, got, want)
		}
	}
}

// forged makes a token by hand: what the header and the payload say, signed by method with key.
func forged(t *testing.T, method jwt.SigningMethod, key any, header, payload map[string]any) string {
	t.Helper()
	head := map[string]any{"typ": "JWT", "alg": method.Alg()}
	for k, v := range header {
		head[k] = v
	}
	part := func(v any) string {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(out)
	}
	text := part(head) + "." + part(payload)
	signature, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// payload is that of a good token, changed; a nil value takes a claim away.
func payload(changes map[string]any) map[string]any {
	p := map[string]any{
		"iss": "castcode", "aud": "here", "jti": "t1", "room": "hall", "role": "viewer",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for k, v := range changes {
		if p[k] = v; v == nil {
			delete(p, k)
		}
	}
	return p
}

func refusal(v *Verifier, text string) string {
	_, err := v.Verify(text, now)
	var f *Fault
	if errors.As(err, &f) {
		return f.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestClaimsAreChecked(t *testing.T) {
	data, kid := keyFile(t, HS256)
	k := keysOf(t, data, HS256)
	v := NewVerifier("castcode", "here", k)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, c := range []struct {
		name, want string
		changes    map[string]any
	}{
		{"good", "", nil},
		{"several audiences", "", map[string]any{"aud": []string{"there", "here"}}},
		{"wrong audience", ReasonAudience, map[string]any{"aud": "there"}},
		{"no audience", ReasonClaims, map[string]any{"aud": nil}},
		{"wrong issuer", ReasonIssuer, map[string]any{"iss": "Castcode"}},
		{"no issuer", ReasonClaims, map[string]any{"iss": nil}},
		{"expired within the skew", "", map[string]any{"exp": at(-59 * time.Second)}},
		{"expired", ReasonExpired, map[string]any{"exp": at(-61 * time.Second)}},
		{"no expiry", ReasonClaims, map[string]any{"exp": nil}},
		{"expires in a day", "", map[string]any{"exp": at(24 * time.Hour)}},
		{"expires in a day and the skew", "", map[string]any{"exp": at(24*time.Hour + time.Minute)}},
		{"expires later", ReasonFar, map[string]any{"exp": at(24*time.Hour + 61*time.Second)}},
		{"expires in milliseconds", ReasonFar, map[string]any{"exp": now.Add(time.Hour).UnixMilli()}},
		{"expires in a text", ReasonMalformed, map[string]any{"exp": "tomorrow"}},
		{"not yet, within the skew", "", map[string]any{"nbf": at(59 * time.Second)}},
		{"not yet", ReasonEarly, map[string]any{"nbf": at(61 * time.Second)}},
		{"issued in the future", ReasonEarly, map[string]any{"iat": at(61 * time.Second)}},
		{"no time of issue", "", map[string]any{"iat": nil}},
		{"no id", ReasonClaims, map[string]any{"jti": nil}},
		{"long id", ReasonClaims, map[string]any{"jti": strings.Repeat("x", MaxID+1)}},
		{"no room", ReasonClaims, map[string]any{"room": nil}},
		{"long room", ReasonClaims, map[string]any{"room": strings.Repeat("x", maxText+1)}},
		{"no role", ReasonClaims, map[string]any{"role": nil}},
		{"another role", ReasonClaims, map[string]any{"role": "admin"}},
		{"long name", ReasonClaims, map[string]any{"name": strings.Repeat("x", maxText+1)}},
		{"limits", "", map[string]any{"limits": map[string]any{"width": 640}}},
		{"negative limit", ReasonClaims, map[string]any{"limits": map[string]any{"width": -1}}},
		{"huge limit", ReasonClaims, map[string]any{"limits": map[string]any{"bitrate": maxLimit + 1}}},
		{"limit of another kind", ReasonMalformed, map[string]any{"limits": map[string]any{"bitrate": "much"}}},
		{"a place for a while", "", map[string]any{"until": at(time.Hour)}},
		{"a place for too long", ReasonFar, map[string]any{"until": at(25 * time.Hour)}},
		{"a place that is over", ReasonExpired, map[string]any{"until": at(-time.Hour)}},
	} {
		text := forged(t, jwt.SigningMethodHS256, k.private, map[string]any{"kid": kid}, payload(c.changes))
		if got := refusal(v, text); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAlgorithmIsTheConfiguredOne(t *testing.T) {
	secrets, secretKid := keyFile(t, HS256)
	curves, curveKid := keyFile(t, EdDSA)
	hs, ed := keysOf(t, secrets, HS256), keysOf(t, curves, EdDSA)
	public, ok := ed.public[curveKid].(ed25519.PublicKey)
	if !ok {
		t.Fatalf("public key is a %T", ed.public[curveKid])
	}
	secret, ok := hs.private.([]byte)
	if !ok {
		t.Fatalf("secret is a %T", hs.private)
	}
	none := jwt.UnsafeAllowNoneSignatureType
	good := payload(nil)
	byHS := forged(t, jwt.SigningMethodHS256, secret, map[string]any{"kid": secretKid}, good)
	byEd := forged(t, jwt.SigningMethodEdDSA, ed.private, map[string]any{"kid": curveKid}, good)
	flipped := func(text string) string {
		i := strings.LastIndex(text, ".") + 1
		c := "A"
		if text[i] == 'A' {
			c = "B"
		}
		return text[:i] + c + text[i+1:]
	}
	for _, c := range []struct {
		name, text     string
		forHS, forEdDS string
	}{
		{"by secret", byHS, "", ReasonAlgorithm},
		{"by curve", byEd, ReasonAlgorithm, ""},
		{"public key as a secret", forged(t, jwt.SigningMethodHS256, []byte(public), map[string]any{"kid": curveKid}, good), ReasonKey, ReasonAlgorithm},
		{"the same under the other name", forged(t, jwt.SigningMethodHS256, []byte(public), map[string]any{"kid": curveKid, "alg": "EdDSA"}, good), ReasonAlgorithm, ReasonSignature},
		{"none", forged(t, jwt.SigningMethodNone, none, map[string]any{"kid": secretKid}, good), ReasonAlgorithm, ReasonAlgorithm},
		{"None", forged(t, jwt.SigningMethodNone, none, map[string]any{"kid": secretKid, "alg": "None"}, good), ReasonAlgorithm, ReasonAlgorithm},
		{"no signature", byHS[:strings.LastIndex(byHS, ".")+1], ReasonSignature, ReasonAlgorithm},
		{"HS384", forged(t, jwt.SigningMethodHS384, secret, map[string]any{"kid": secretKid}, good), ReasonAlgorithm, ReasonAlgorithm},
		{"HS512 called HS256", forged(t, jwt.SigningMethodHS512, secret, map[string]any{"kid": secretKid, "alg": "HS256"}, good), ReasonSignature, ReasonAlgorithm},
		{"no kid", forged(t, jwt.SigningMethodHS256, secret, nil, good), ReasonKey, ReasonAlgorithm},
		{"unknown kid", forged(t, jwt.SigningMethodHS256, secret, map[string]any{"kid": "k"}, good), ReasonKey, ReasonAlgorithm},
		{"kid of another kind", forged(t, jwt.SigningMethodHS256, secret, map[string]any{"kid": 1}, good), ReasonKey, ReasonAlgorithm},
		{"a key in the header", forged(t, jwt.SigningMethodHS256, []byte("mine"), map[string]any{"kid": secretKid, "jwk": map[string]string{"kty": "oct", "k": "bWluZQ"}}, good), ReasonSignature, ReasonAlgorithm},
		{"extension", forged(t, jwt.SigningMethodHS256, secret, map[string]any{"kid": secretKid, "crit": []string{"b64"}, "b64": true}, good), ReasonMalformed, ReasonAlgorithm},
		{"flipped", flipped(byHS), ReasonSignature, ReasonAlgorithm},
		{"flipped curve", flipped(byEd), ReasonAlgorithm, ReasonSignature},
		{"nothing", "", ReasonMalformed, ReasonMalformed},
		{"two parts", "a.b", ReasonMalformed, ReasonMalformed},
		{"four parts", byHS + ".x", ReasonMalformed, ReasonMalformed},
		{"too long", byHS + strings.Repeat("A", MaxToken), ReasonSize, ReasonSize},
	} {
		if got := refusal(NewVerifier("castcode", "here", hs), c.text); got != c.forHS {
			t.Errorf("%s, HS256: %q, want %q", c.name, got, c.forHS)
		}
		if got := refusal(NewVerifier("castcode", "here", ed), c.text); got != c.forEdDS {
			t.Errorf("%s, EdDSA: %q, want %q", c.name, got, c.forEdDS)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	first, old := keyFile(t, HS256)
	sign := func(data []byte) string {
		text, err := keysOf(t, data, "").Sign(claims(), "castcode", "here", now)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := sign(first)
	both, fresh, err := AddKey(first, HS256)
	if err != nil || fresh == old {
		t.Fatal(fresh, err)
	}
	after := sign(both)
	v := NewVerifier("castcode", "here", keysOf(t, first, HS256))
	if got := refusal(v, after); got != ReasonKey {
		t.Fatalf("new key before the reload: %q", got)
	}
	v.Replace(keysOf(t, both, HS256))
	if a, b := refusal(v, before), refusal(v, after); a != "" || b != "" {
		t.Fatalf("with both keys: %q %q", a, b)
	}
	last, err := RemoveKey(both, old)
	if err != nil {
		t.Fatal(err)
	}
	v.Replace(keysOf(t, last, HS256))
	if a, b := refusal(v, before), refusal(v, after); a != ReasonKey || b != "" {
		t.Fatalf("with the new key: %q %q", a, b)
	}
	if _, err := RemoveKey(last, fresh); err == nil {
		t.Error("the last key was removed")
	}
	if _, err := RemoveKey(last, "x"); err == nil {
		t.Error("a key was removed that is not there")
	}
}

func TestKeyFilesAreChecked(t *testing.T) {
	secrets, _ := keyFile(t, HS256)
	curves, _ := keyFile(t, EdDSA)
	short := base64.RawURLEncoding.EncodeToString(make([]byte, minSecret-1))
	var other keySet
	if err := json.Unmarshal(curves, &other); err != nil {
		t.Fatal(err)
	}
	twice := keySet{append(other.Keys, other.Keys...)}
	public := keySet{[]webKey{other.Keys[0]}}
	public.Keys[0].D = ""
	mixed, _ := keyFile(t, EdDSA)
	var stranger keySet
	if err := json.Unmarshal(mixed, &stranger); err != nil {
		t.Fatal(err)
	}
	stranger.Keys[0].D = other.Keys[0].D
	for _, c := range []struct {
		name, algorithm, data, want string
	}{
		{"good secret", HS256, string(secrets), ""},
		{"good curve", EdDSA, string(curves), ""},
		{"public only", EdDSA, string(public.encode()), ""},
		{"another algorithm", EdDSA, string(secrets), "the algorithm is EdDSA"},
		{"unknown algorithm", "none", string(secrets), "use HS256 or EdDSA"},
		{"key without algorithm", "", `{"keys":[{"kty":"oct","kid":"a","k":"` + short + `"}]}`, "use HS256 or EdDSA"},
		{"no JSON", HS256, "secret-text", "no JSON Web Key Set"},
		{"no key", HS256, `{"keys":[]}`, "no key"},
		{"no kid", HS256, `{"keys":[{"kty":"oct","alg":"HS256"}]}`, "a kid has"},
		{"short", HS256, `{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"` + short + `"}]}`, "needs 32"},
		{"not base64", HS256, `{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"+++"}]}`, "base64url"},
		{"wrong kind", EdDSA, `{"keys":[{"kty":"oct","kid":"a","alg":"EdDSA","k":"AA"}]}`, "Ed25519"},
		{"two of a name", EdDSA, string(twice.encode()), "two keys"},
		{"halves of two keys", EdDSA, string(stranger.encode()), "not of one key"},
		{"too many", HS256, `{"keys":[` + strings.Repeat(`{"kid":"a"},`, maxKeys) + `{"kid":"a"}]}`, "more than 16"},
	} {
		_, err := ParseKeys([]byte(c.data), c.algorithm)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "secret-text"):
			t.Errorf("%s: quotes the file: %v", c.name, err)
		}
	}
	if _, err := keysOf(t, public.encode(), EdDSA).Sign(claims(), "i", "a", now); err == nil {
		t.Error("a public key has signed")
	}
	data := secrets
	for n := 1; n < maxKeys; n++ {
		var err error
		if data, _, err = AddKey(data, HS256); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := AddKey(data, HS256); err == nil {
		t.Error("a file holds more keys than are read")
	}
	if _, _, err := AddKey(secrets, EdDSA); err == nil {
		t.Error("a file holds keys of two algorithms")
	}
}

func TestWhatCannotBeReadIsNotSigned(t *testing.T) {
	data, _ := keyFile(t, HS256)
	k := keysOf(t, data, HS256)
	for name, change := range map[string]func(*Claims){
		"no id": func(c *Claims) { c.ID = "" }, "no room": func(c *Claims) { c.Room = "" },
		"role": func(c *Claims) { c.Role = "x" }, "limit": func(c *Claims) { c.Viewers = -1 },
	} {
		c := claims()
		change(&c)
		if _, err := k.Sign(c, "castcode", "here", now); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	data, kid, err := AddKey(nil, HS256)
	if err != nil {
		f.Fatal(err)
	}
	k, err := ParseKeys(data, HS256)
	if err != nil {
		f.Fatal(err)
	}
	v := NewVerifier("castcode", "here", k)
	good, err := k.Sign(claims(), "castcode", "here", now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("e30.e30.e30")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := v.Verify(text, now)
		if err == nil && text != good {
			t.Fatalf("taken: %q with kid %s: %+v", text, kid, c)
		}
		if err != nil && !errors.As(err, new(*Fault)) {
			t.Fatalf("%q: %v is no fault", text, err)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	for _, algorithm := range []string{HS256, EdDSA} {
		data, _, err := AddKey(nil, algorithm)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, algorithm := range []string{"", HS256, EdDSA} {
			k, err := ParseKeys(data, algorithm)
			if err == nil && (k.Len() == 0 || algorithm != "" && k.Algorithm() != algorithm) {
				t.Fatalf("%q: %+v", data, k)
			}
		}
		if more, _, err := AddKey(bytes.Clone(data), HS256); err == nil {
			if _, err := ParseKeys(more, HS256); err != nil {
				t.Fatalf("%q became %q: %v", data, more, err)
			}
		}
	})
}
