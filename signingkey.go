package cairn

import "time"

// SigningKey is a key that identity tokens are signed with. Sealed is never
// shown, logged or sent.
type SigningKey struct {
	ID        string    `json:"id"`
	Sealed    []byte    `json:"-"`
	CreatedAt time.Time `json:"created_at"`
	// RetiredAt is when another one took its place: it signs nothing more, and is
	// shown for a while so that what it signed can be checked.
	RetiredAt time.Time `json:"retired_at,omitzero"`
}

// IDTokenIssuer is what people ask of the issuer of identity tokens.
type IDTokenIssuer struct {
	Issuer    string       `json:"issuer"`
	Discovery string       `json:"discovery"`
	Keys      []SigningKey `json:"keys"`
}
