/* core/exec/artifact_type.c - see artifact_type.h. */
#include "core/exec/artifact_type.h"

#include "core/base/nearest.h"
#include "core/base/str.h"

const struct artifact_type artifact_archive = { "archive", "zip", NULL, false };

static const struct artifact_type types[] = {
    { "junit", "gzip", "junit.xml", true },
    { "dotenv", "gzip", ".env", true },
    { "metrics", "gzip", "metrics.txt", true },
    { "cyclonedx", "gzip", "gl-sbom.cdx.json", true },
    { "annotations", "gzip", "gl-annotations.json", true },
    { "repository_xray", "gzip", "gl-repository-xray.json", true },
    /* What 'coverage_report' comes to. */
    { "cobertura", "gzip", "cobertura-coverage.xml", false },
    { "jacoco", "gzip", "jacoco-coverage.xml", false },
    { "lsif", "zip", "lsif.json", true },
    { "scip", "zip", "index.scip", true },
    { "accessibility", "raw", "gl-accessibility.json", true },
    { "api_fuzzing", "raw", "gl-api-fuzzing-report.json", true },
    { "browser_performance", "raw", "browser-performance.json", true },
    { "cluster_image_scanning", "raw", "gl-cluster-image-scanning-report.json", true },
    { "codequality", "raw", "gl-code-quality-report.json", true },
    { "container_scanning", "raw", "gl-container-scanning-report.json", true },
    { "coverage_fuzzing", "raw", "gl-coverage-fuzzing.json", true },
    { "dast", "raw", "gl-dast-report.json", true },
    { "dependency_scanning", "raw", "gl-dependency-scanning-report.json", true },
    { "license_scanning", "raw", "gl-license-scanning-report.json", true },
    { "load_performance", "raw", "load-performance.json", true },
    { "performance", "raw", "performance.json", true },
    { "requirements", "raw", "requirements.json", true },
    { "requirements_v2", "raw", "requirements_v2.json", true },
    { "sarif", "raw", "gl-sarif-report.sarif", true },
    { "sast", "raw", "gl-sast-report.json", true },
    { "secret_detection", "raw", "gl-secret-detection-report.json", true },
    { "terraform", "raw", "tfplan.json", true },
};

const struct artifact_type *artifact_type_find(const char *name)
{
    if (str_eq(name, artifact_archive.name))
        return &artifact_archive;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(name, types[i].name))
            return &types[i];
    return NULL;
}

const char *artifact_type_nearest(const char *name)
{
    struct nearest nearest = nearest_to(name);

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].report)
            nearest_try(&nearest, types[i].name);
    return nearest.found;
}
