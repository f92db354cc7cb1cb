// Under LeakSanitizer we serve nothing: it would not see what our objects point to, and report it as leaked.
#include "busy.h"

struct node {
    struct node* next;
    void* data;
    char rest[100];
};
static struct node* list;

int main(void) {
    probe_start();
    for (int i = 0; i < 100; ++i) {
        struct node* node = hide(malloc(sizeof *node));
        CHECK(node != NULL && !is_ours(node));
        node->data = make(2000, 1);
        node->next = list;
        list = node;
    }
    return 0;
}
