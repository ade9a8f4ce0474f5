package access

import "fmt"

var roleNames = []string{Nobody: "nobody", Viewer: "viewer", User: "user", Operator: "operator"}

func (r Role) String() string {
	if r < 0 || int(r) >= len(roleNames) {
		return fmt.Sprintf("role %d", int(r))
	}
	return roleNames[r]
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the role's name.
func (r *Role) UnmarshalText(text []byte) error {
	for i, name := range roleNames {
		if name == string(text) && Role(i) != Nobody {
			*r = Role(i)
			return nil
		}
	}
	return fmt.Errorf("role %.40q: must be viewer, user or operator", text)
}
