package cairn

import "testing"

func TestAzureNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"ws": "*/*/ws", "RG/Ws": "*/rg/ws", "s/rg/ws": "s/rg/ws", "*": "*/*/*", " rg / ws ": "*/rg/ws", "": "", "a//b": "", "a/b/c/d": "", "a\nb": ""} {
		got, err := ParseAzureName(text)
		if got != want || (err == nil) != (want != "") || err != nil && AsError(err).Hint == "" {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
	lines := []AzureName{{Name: "*/*/*"}, {Name: "*/rg/*"}, {Name: "s/*/*"}, {Name: "*/*/ws"}, {Name: "s/rg/ws"}}
	for _, c := range []struct{ sub, group, ws, want string }{
		{"s", "rg", "ws", "s/rg/ws"}, {"S", "RG", "WS", "s/rg/ws"}, {"x", "rg", "ws", "*/*/ws"}, {"s", "rg", "other", "*/rg/*"}, {"s", "x", "y", "s/*/*"}, {"", "", "", "*/*/*"},
	} {
		if got := FindAzureName(lines, c.sub, c.group, c.ws); got == nil || got.Name != c.want {
			t.Errorf("%v: %+v", c, got)
		}
	}
	if got := FindAzureName(lines[3:], "s", "rg", "other"); got != nil {
		t.Errorf("%+v", got)
	}
}
