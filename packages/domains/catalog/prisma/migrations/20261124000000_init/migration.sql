-- CreateTable
CREATE TABLE "product" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "sku" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "price_minor" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "stock" INTEGER NOT NULL,
    "archived" BOOLEAN NOT NULL DEFAULT false,
    "search" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "product_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE INDEX "product_tenant_id_archived_id_search_idx" ON "product"("tenant_id", "archived", "id", "search");

-- CreateIndex
CREATE UNIQUE INDEX "product_tenant_id_sku_key" ON "product"("tenant_id", "sku");

-- What Prisma's schema cannot say.
ALTER TABLE "product" ADD CONSTRAINT "product_price" CHECK ("price_minor" BETWEEN 0 AND 9007199254740991);
ALTER TABLE "product" ADD CONSTRAINT "product_currency" CHECK ("currency" ~ '^[A-Z]{3}$');
ALTER TABLE "product" ADD CONSTRAINT "product_stock" CHECK ("stock" >= 0);

SELECT app.tenant_table('product');
