-- CreateTable
CREATE TABLE "storage_box" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "note" TEXT,
    "archived" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "storage_box_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "storage_box_tally" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "archived" BOOLEAN NOT NULL,
    "total" INTEGER NOT NULL,

    CONSTRAINT "storage_box_tally_pkey" PRIMARY KEY ("tenant_id","archived")
);

-- CreateIndex
CREATE INDEX "storage_box_tenant_id_archived_id_idx" ON "storage_box"("tenant_id", "archived", "id");

-- CreateIndex
CREATE UNIQUE INDEX "storage_box_tenant_id_name_key" ON "storage_box"("tenant_id", "name");

SELECT app.tenant_table('storage_box');
SELECT app.tenant_table('storage_box_tally');
