package tlsutil

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"
)

// node is any element of a property list.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// dict turns the children of a <dict> into a map.
func (n node) dict(t *testing.T) map[string]node {
	t.Helper()
	if n.XMLName.Local != "dict" || len(n.Nodes)%2 != 0 {
		t.Fatalf("<%s> with %d children is no dictionary", n.XMLName.Local, len(n.Nodes))
	}
	out := map[string]node{}
	for i := 0; i < len(n.Nodes); i += 2 {
		if n.Nodes[i].XMLName.Local != "key" {
			t.Fatalf("<%s> where a key must be", n.Nodes[i].XMLName.Local)
		}
		out[n.Nodes[i].Text] = n.Nodes[i+1]
	}
	return out
}

// TestProfile reads the profile as Apple describes it: the keys that a profile and a root certificate payload need.
func TestProfile(t *testing.T) {
	dir := t.TempDir()
	world := newWorld("hall", "192.168.1.5")
	src, _ := world.open(t, dir)
	profile := src.CA().Profile()
	var plist node
	if err := xml.Unmarshal(profile, &plist); err != nil {
		t.Fatal(err)
	}
	if plist.XMLName.Local != "plist" || len(plist.Nodes) != 1 {
		t.Fatalf("not a property list: %s", profile)
	}
	outer := plist.Nodes[0].dict(t)
	content := outer["PayloadContent"]
	if content.XMLName.Local != "array" || len(content.Nodes) != 1 {
		t.Fatalf("payloads: %+v", content)
	}
	inner := content.Nodes[0].dict(t)
	for _, c := range []struct {
		of        map[string]node
		key, want string
	}{
		{outer, "PayloadType", `^Configuration$`},
		{outer, "PayloadVersion", `^1$`},
		{outer, "PayloadDisplayName", `^castcode local CA [0-9A-F]{8}$`},
		{outer, "PayloadIdentifier", `^castcode\.ca\.[0-9a-f]{8}$`},
		{outer, "PayloadUUID", `^[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`},
		{inner, "PayloadType", `^com\.apple\.security\.root$`},
		{inner, "PayloadVersion", `^1$`},
		{inner, "PayloadIdentifier", `^castcode\.ca\.[0-9a-f]{8}\.root$`},
		{inner, "PayloadUUID", `^[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`},
		{inner, "PayloadCertificateFileName", `^castcode-ca\.cer$`},
	} {
		if got := c.of[c.key].Text; !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("%s is %q, want %s", c.key, got, c.want)
		}
	}
	if outer["PayloadUUID"].Text == inner["PayloadUUID"].Text {
		t.Error("profile and payload have one UUID")
	}
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(inner["PayloadContent"].Text))
	if err != nil || !bytes.Equal(der, src.CA().Certificate().Raw) {
		t.Errorf("the payload is not the certificate: %v", err)
	}

	again, _ := world.open(t, dir)
	if !bytes.Equal(again.CA().Profile(), profile) {
		t.Error("another profile after a restart")
	}
	other, _ := world.open(t, t.TempDir())
	for _, of := range []map[string]node{outer, inner} {
		for _, key := range []string{"PayloadUUID", "PayloadIdentifier"} {
			if bytes.Contains(other.CA().Profile(), []byte(">"+of[key].Text+"<")) {
				t.Errorf("the profile of another CA has the same %s", key)
			}
		}
	}
}
