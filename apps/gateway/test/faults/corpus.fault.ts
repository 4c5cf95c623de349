// #region with catalog, orders, billing, notifications, insights
/** The corpus with everything together; `npm run test:topologies` runs it with domains apart. */
import '../demo/corpus/corpus.test.ts'
