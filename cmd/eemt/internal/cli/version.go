package cli

// Version is what records and reports call this build. The program sets it when it starts.
var Version = ""
