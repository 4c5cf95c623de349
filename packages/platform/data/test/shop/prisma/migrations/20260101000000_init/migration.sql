-- CreateTable
CREATE TABLE "order" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "key" TEXT NOT NULL,

    CONSTRAINT "order_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "order_line" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "order_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "sku" TEXT NOT NULL,

    CONSTRAINT "order_line_pkey" PRIMARY KEY ("tenant_id","order_id","position")
);

-- CreateTable
CREATE TABLE "country" (
    "code" TEXT NOT NULL,
    "name" TEXT NOT NULL,

    CONSTRAINT "country_pkey" PRIMARY KEY ("code")
);

-- CreateIndex
CREATE UNIQUE INDEX "order_tenant_id_key_key" ON "order"("tenant_id", "key");

-- AddForeignKey
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_tenant_id_order_id_fkey" FOREIGN KEY ("tenant_id", "order_id") REFERENCES "order"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

SELECT app.tenant_table('"order"');
SELECT app.tenant_table('order_line');
SELECT app.global_table('country', 'for tests of global tables');
