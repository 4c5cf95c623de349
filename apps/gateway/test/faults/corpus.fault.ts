/** The corpus with everything together; `npm run test:topologies` runs it with domains apart. */
import '../corpus/corpus.test.ts'
