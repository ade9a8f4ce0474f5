package foreign

// Name says what a file is by its first HeadSize bytes, or less of a shorter file; what is in the same words for any file
// of a kind. A file that nothing is known of has the name "".
func Name(head []byte) string {
	return identify(head).what
}
