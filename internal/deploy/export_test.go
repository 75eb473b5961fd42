package deploy

// What the tests look at inside.
var (
	FactsOf  = factsOf
	LastGood = lastGood
)
