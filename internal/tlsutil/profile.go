package tlsutil

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
)

// ProfileType is the media type by which Apple's systems know a configuration profile.
const ProfileType = "application/x-apple-aspen-config"

// Profile returns the CA certificate as a configuration profile for iPhones, iPads and Macs (.mobileconfig): a
// profile with one payload of type com.apple.security.root. It is not signed, and holds nothing secret. Its UUIDs and
// identifiers depend on the certificate alone, so a profile that is installed again replaces itself, and one of
// another CA does not replace it.
func (c *CA) Profile() []byte {
	name := c.cert.Subject.CommonName
	id := "castcode.ca." + strings.ToLower(fmt.Sprintf("%X", c.cert.SerialNumber)[:8])
	var out bytes.Buffer
	out.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` +
		"\n<plist version=\"1.0\">\n<dict>\n<key>PayloadContent</key>\n<array>\n<dict>\n")
	entry(&out, "PayloadCertificateFileName", "castcode-ca.cer")
	out.WriteString("<key>PayloadContent</key>\n<data>\n" + base64.StdEncoding.EncodeToString(c.cert.Raw) + "\n</data>\n")
	entry(&out, "PayloadDescription", "The certificate authority of a castcode server.")
	entry(&out, "PayloadDisplayName", name)
	entry(&out, "PayloadIdentifier", id+".root")
	entry(&out, "PayloadType", "com.apple.security.root")
	entry(&out, "PayloadUUID", c.uuid("payload"))
	out.WriteString("<key>PayloadVersion</key>\n<integer>1</integer>\n</dict>\n</array>\n")
	entry(&out, "PayloadDescription", "Lets this device trust the pages of a castcode server. SHA-256 of the certificate: "+c.Fingerprint())
	entry(&out, "PayloadDisplayName", name)
	entry(&out, "PayloadIdentifier", id)
	entry(&out, "PayloadOrganization", "castcode")
	out.WriteString("<key>PayloadRemovalDisallowed</key>\n<false/>\n")
	entry(&out, "PayloadType", "Configuration")
	entry(&out, "PayloadUUID", c.uuid("profile"))
	out.WriteString("<key>PayloadVersion</key>\n<integer>1</integer>\n</dict>\n</plist>\n")
	return out.Bytes()
}

// entry writes one text of a property list.
func entry(out *bytes.Buffer, key, text string) {
	out.WriteString("<key>" + key + "</key>\n<string>")
	_ = xml.EscapeText(out, []byte(text)) // a Buffer takes everything
	out.WriteString("</string>\n")
}

// uuid makes a UUID of our own kind (version 8, RFC 9562 section 5.8) of the certificate and what it is for.
func (c *CA) uuid(purpose string) string {
	sum := sha256.Sum256(append([]byte("castcode "+purpose+" "), c.cert.Raw...))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
