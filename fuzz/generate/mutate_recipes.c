/* Mutations that are recipes on what is registered when their place is reached. */
#include "fuzz/generate/mutator.h"

#include <sys/epoll.h>

/* An actor, an instance of its own, and what is registered there or could be. */
struct scene {
    unsigned actor;
    int epfd;
    int slot;
    bool registered;
};

static bool set_scene(struct mutator *mutator, struct scene *ret_scene)
{
    struct generator *generator = &mutator->generator;
    int actor = choose_actor(generator);

    if (actor < 0)
        return false;
    ret_scene->actor = (unsigned)actor;
    ret_scene->epfd = make_instance(generator, ret_scene->actor);
    int instance = choose_file(generator, ret_scene->actor, ret_scene->epfd);
    if (instance == WORLD_FILE_NONE)
        return false;
    ret_scene->slot = choose_registered(generator, ret_scene->actor, instance);
    ret_scene->registered = ret_scene->slot != SLOT_NONE;
    if (!ret_scene->registered)
        ret_scene->slot = make_unregistered(generator, ret_scene->actor, ret_scene->epfd,
                                            random_chance(&generator->random, 75));
    return ret_scene->slot != SLOT_NONE;
}

static bool delete_there(struct generator *generator, const struct scene *scene)
{
    return make_ctl(generator, scene->actor, scene->epfd, EPOLL_CTL_DEL, scene->slot, 0);
}

static bool add_there(struct generator *generator, const struct scene *scene)
{
    return make_add(generator, scene->actor, scene->epfd, scene->slot);
}

static void recite_del_add_del(struct mutator *mutator)
{
    struct generator *generator = &mutator->generator;
    struct scene scene;

    if (!set_scene(mutator, &scene))
        return;
    generator->reciting = true;
    bool registered = scene.registered;
    for (unsigned i = 0; i < 3; i++, registered = !registered) {
        if (!(registered ? delete_there(generator, &scene) : add_there(generator, &scene)))
            break;
    }
    (void)make_wait(generator, scene.actor, scene.epfd);
    generator->reciting = false;
}

/* The registration under a number whose file lives on by its duplicate, and another one under the
 * same number for the file that has it now. */
static void recite_reopen(struct mutator *mutator)
{
    struct generator *generator = &mutator->generator;
    struct scene scene;

    if (!set_scene(mutator, &scene))
        return;
    generator->groups |= GROUP_BIT(DUP);
    generator->reciting = true;
    if ((scene.registered || add_there(generator, &scene)) &&
        make_dup(generator, scene.actor, scene.slot) != SLOT_NONE &&
        make_close(generator, scene.actor, scene.slot)) {
        scene.slot =
            make_target(generator, scene.actor, random_chance(&generator->random, 75), NULL);
        if (random_chance(&generator->random, 85))
            (void)add_there(generator, &scene);
        (void)make_wait(generator, scene.actor, scene.epfd);
    }
    generator->reciting = false;
}

static bool insert_anywhere(struct mutator *mutator, recipe *run)
{
    unsigned at = random_below(mutator_random(mutator), mutator->nentries + 1);

    return mutator->nentries + 5 <= MUTATE_STEPS_MAX && draft_insert_recipe(mutator, at, run);
}

bool mutate_DEL_ADD_DEL(struct mutator *mutator)
{
    return insert_anywhere(mutator, recite_del_add_del);
}

bool mutate_DUP_CLOSE_REOPEN_ADD(struct mutator *mutator)
{
    return insert_anywhere(mutator, recite_reopen);
}
