// client/cli/recipe.h -- recipes: specs that reproduce a published run, by name.

#ifndef AK_CLI_RECIPE_H
#define AK_CLI_RECIPE_H

#include <akssl/akssl.h>

// ak_recipe_load applies the recipe called name, as "solo-cifar/byol", on top of spec; returns an
// exit code.  It is NAME.yaml in $AKSSL_RECIPES, or in share/akssl/recipes beside the program's
// folder, or in deploy/recipes of the tree that it was built in.
int ak_recipe_load(const char *name, akssl_job_spec *spec);

#endif
